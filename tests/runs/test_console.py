"""What a person sees on a terminal, in a log, and when quiet."""

from __future__ import annotations

import io

import pytest

from scorer.runs.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "expected"),
    [
        (io.StringIO, False, "warning: w\nsaid\n"),
        (io.StringIO, True, "warning: w\n"),
        (Terminal, False, "warning: w\nsaid\ndetail\n"),
        (Terminal, True, "warning: w\n"),
    ],
)
def test_lines(stream, quiet, expected):
    out = stream()
    console = Console(quiet=quiet, stream=out)
    console.warn("w")
    console.say("said")
    console.detail("detail")
    assert out.getvalue() == expected


@pytest.mark.parametrize(
    ("stream", "quiet", "shown"), [(Terminal, False, True), (Terminal, True, False), (io.StringIO, False, False)]
)
def test_a_bar_is_for_terminals_only(stream, quiet, shown):
    out = stream()
    with Console(quiet=quiet, stream=out).progress("counting", 10, "rows") as bar:
        bar.update(4)
        bar.update()
    assert ("counting" in out.getvalue()) == shown


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")])
def test_nobody_to_be_told_is_no_failure(error):
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise error

    console = Console(stream=Gone())
    console.warn("w")
    console.say("said")


def test_a_name_neither_breaks_a_line_nor_moves_the_cursor():
    out = Terminal()
    console = Console(stream=out)
    console.say("label two\nlines\x1b[2J\x9b1m: größe\t漢字 \\n")
    console.warn("a\r\u2028b")
    assert out.getvalue() == "label two\\nlines\\x1b[2J\\x9b1m: größe\t漢字 \\n\nwarning: a\\r\\u2028b\n"
