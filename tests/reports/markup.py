"""A page as a parser sees it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "path", "circle", "polyline", "rect", "input", "wbr"}


class Checker(HTMLParser):
    """Collects texts and tags, and fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self._within_word = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        self._within_word = tag == "wbr"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._within_word = False
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        if self._within_word:
            self.texts[-1] += data
        elif data.strip():
            self.texts.append(data)


def checked(html: str) -> Checker:
    """The parsed `html`, every tag of which is closed."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker
