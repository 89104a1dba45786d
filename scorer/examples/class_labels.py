"""Names of labels that a data set writes as numbers: `ClassLabel` of Hugging Face's datasets.

`datasets` writes the names into the metadata of a Parquet or Arrow file. Of other files of the hub the data set's card
tells them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from scorer.errors import DataError, shown
from scorer.examples.data_card import card_of, mappings
from scorer.stores.object_path import ObjectPath
from scorer.tables import compute as pc

_METADATA: Final = b"huggingface"


@dataclass(frozen=True)
class ClassLabels:
    """The `names` of the labels in some columns of `where`, whose values are places in them; -1 is a row without a
    label."""

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    where: str = ""

    @classmethod
    def of(
        cls, schema: pa.Schema, files: Sequence[Path], columns: Sequence[str], *, known: Set[str], where: str
    ) -> ClassLabels:
        """Those of the label `columns` of `files`, where they are integers, or lists of them, with names. A model that
        knows some labels, and none of the names, was fitted on the numbers."""
        places = [name for name in columns if _are_places(schema.field(name).type)]
        if not places:
            return cls()
        said = _in_metadata(schema) or _in_card(files[0])
        named = {name: said[name] for name in places if name in said}
        return cls({name: names for name, names in named.items() if not known or known & set(names)}, where)

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """That of a table which was `named`."""
        for name in self.names:
            place = schema.get_field_index(name)
            schema = schema.set(place, schema.field(place).with_type(_named_type(schema.field(place).type)))
        return schema

    def named(self, table: pa.Table) -> pa.Table:
        """`table` with the names in the place of the numbers. DataError for a number that has no name."""
        for name, names in self.names.items():
            place = table.schema.get_field_index(name)
            chunks = [_named(chunk, names, column=name, where=self.where) for chunk in table.column(place).chunks]
            kind = _named_type(table.schema.field(place).type)
            table = table.set_column(place, name, pa.chunked_array(chunks, kind))
        return table


def _are_places(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind.value_type if pa.types.is_list(kind) else kind))


def _named_type(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.string()) if pa.types.is_list(kind) else pa.string()


def _named(array: pa.Array, names: Sequence[str], *, column: str, where: str) -> pa.Array:
    if pa.types.is_list(array.type):
        inner = _named(array.flatten(), names, column=column, where=where)
        counts = pc.fill_null(pc.list_value_length(array), 0).to_pylist()
        rows, begin = [], 0
        values = inner.to_pylist()
        for count, there in zip(counts, array.is_valid().to_pylist(), strict=True):
            rows.append(values[begin : begin + count] if there else None)
            begin += count
        return pa.array(rows, pa.list_(pa.string()))
    places = array.to_numpy(zero_copy_only=False) if not array.null_count else pc.fill_null(array, -1).to_numpy()
    if len(places) and not -1 <= places.min() <= places.max() < len(names):
        raise DataError(
            f"{where}: column {shown(column)} has a label that none of its {len(names)} names is for; they are told by "
            "the file's metadata, or by the data set's README.md"
        )
    return pa.array(names, pa.string()).take(pa.array(places, pa.int64(), mask=places == -1))


def _in_metadata(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """The names that `datasets` wrote into the file."""
    try:
        said = json.loads((schema.metadata or {}).get(_METADATA, b"{}"))
        features = said["info"]["features"]
        return {name: found for name, one in features.items() if (found := _names(one)) is not None}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _names(feature: Any) -> tuple[str, ...] | None:
    """Those of a ClassLabel, or of a list of such, as JSON or the front matter of a card has it."""
    if not isinstance(feature, dict):
        return None
    for inside in ("feature", "sequence", "list", "dtype"):
        if isinstance(feature.get(inside), dict):
            return _names(feature[inside])
    found = feature.get("class_label", feature)
    names = found.get("names") if isinstance(found, dict) else None
    if isinstance(names, dict):  # the front matter has them by their places
        names = [names[place] for place in sorted(names, key=int)]
    known = feature.get("_type") == "ClassLabel" or "class_label" in feature
    return tuple(map(str, names)) if known and isinstance(names, list) else None


def _in_card(file: Path) -> dict[str, tuple[str, ...]]:
    """The names that the card of a data set of the hub tells; nothing for any other file."""
    if not isinstance(file, ObjectPath) or file.bucket.scheme != "hf":
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for info in mappings(card_of(file).get("dataset_info")):
        for feature in mappings(info.get("features")):
            if (names := _names(feature)) is not None:
                found.setdefault(str(feature.get("name")), names)
    return found
