"""What the library that reads workbooks does not tell: the row that a sheet begins with, and cells whose value is not
what a person sees. Read out of the parts of the archive.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from xml.etree import ElementTree

_CHUNK: Final = 1 << 20
# A cell has at most 32,767 characters and a formula 8,192, and an entity may stand for each.
_LONGEST_CELL: Final = 1 << 18
_RELATIONS: Final = "{*}Relationship"
_FIRST_CELL: Final = re.compile(
    rb'<(?:\w+:)?c\b[^>]*?\br="[A-Z]+(\d+)"[^>/]*>(?:(?!<(?:\w+:)?c\b|</(?:\w+:)?row).)*?<(?:\w+:)?(?:v|is)\b',
    re.DOTALL,
)
_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*?\bref="([A-Z0-9:]+)"')
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[ >/]")
# A formula whose cell ends, or has an empty value, right behind it: only that of a text may be empty.
_UNCALCULATED: Final = re.compile(
    rb'<(?:\w+:)?c\b((?![^>]*\bt="str")[^>]*)>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*'
    rb"(?:</(?:\w+:)?c>|<(?:\w+:)?v\s*/>|<(?:\w+:)?v></)"
)
_CALCULATE: Final = re.compile(rb'<(?:\w+:)?calcPr\b[^>]*\bfullCalcOnLoad="(?:1|true)"')
_PLACE: Final = re.compile(rb'\br="([A-Z]+\d+)"')
_TRUTH: Final = re.compile(rb'<(?:\w+:)?c\b[^>]*\bt="b"')


@dataclass
class Sheet:
    """What a sheet of cells says: `first_row` is the number of the first row that has a value (1 where no cell says its
    place), `truths` whether a cell is true or false, `fault` why not all values can be told, or nothing."""

    first_row: int = 1
    truths: bool = False
    fault: str = ""


def look_at(archive: zipfile.ZipFile, name: str) -> Sheet:
    """The sheet called `name`. KeyError and ParseError where the archive has no such sheet, or is no workbook."""
    book, part = _parts(archive, name)
    sheet, begun, formulas = Sheet(), False, False
    for text in _overlapping(archive, part):
        if not begun and (first := _FIRST_CELL.search(text)):
            sheet.first_row, begun = int(first[1]), True
        sheet.truths = sheet.truths or _TRUTH.search(text) is not None
        formulas = formulas or _FORMULA.search(text) is not None
        if found := _UNCALCULATED.search(text):
            place = _PLACE.search(found[1])
            sheet.fault = f"cell {place[1].decode()}: " if place else ""
            sheet.fault += "a formula without its value; open the workbook in a spreadsheet program and save it"
            return sheet
        if found := _MERGED.search(text):
            sheet.fault = (
                f"the cells {found[1].decode()} are merged, and only the first of them has the value; take them apart "
                "and fill each, or leave the title out"
            )
            return sheet
    if formulas and _CALCULATE.search(archive.read(book)):
        sheet.fault = (
            "it has formulas that no spreadsheet program has calculated yet; open the workbook in one and save it"
        )
    return sheet


def _parts(archive: zipfile.ZipFile, name: str) -> tuple[str, str]:
    """The names of the parts that are the workbook and its sheet `name`."""
    book = next(
        target
        for kind, _, target in _relations(archive, PurePosixPath("_rels/.rels"), PurePosixPath())
        if kind.endswith("/officeDocument")
    )
    folder = PurePosixPath(book).parent
    relations = folder / "_rels" / f"{PurePosixPath(book).name}.rels"
    targets = {number: target for _, number, target in _relations(archive, relations, folder)}
    for sheet in ElementTree.fromstring(archive.read(book)).iterfind("{*}sheets/{*}sheet"):
        if sheet.get("name") == name:
            number = next(value for key, value in sheet.items() if key.endswith("}id"))
            return book, targets[number]
    raise KeyError(name)


def _relations(archive: zipfile.ZipFile, part: PurePosixPath, folder: PurePosixPath) -> Iterator[tuple[str, str, str]]:
    """The type, the id and the target of each relation that the `part` has, which is about the `folder`."""
    for relation in ElementTree.fromstring(archive.read(str(part))).iterfind(_RELATIONS):
        target = relation.get("Target", "")
        whole = target[1:] if target.startswith("/") else str(folder / target)
        yield relation.get("Type", ""), relation.get("Id", ""), whole


def _overlapping(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """The text of a part in pieces, each of which begins with the end of the one before it."""
    with archive.open(part) as stream:
        text = b""
        while more := stream.read(_CHUNK):
            text = text[-_LONGEST_CELL:] + more
            yield text
