"""Which columns hold the texts, when nobody says.

Owns the names by which text columns are found. Pure: column names in, column names out.
"""

from __future__ import annotations

from collections.abc import Sequence

from scorer.errors import UsageError, shown

TEXT_NAMES = ("sentence", "text", "review", "content", "comment", "message", "body", "document", "tweet", "utterance")


def find_text_columns(
    names: Sequence[str], asked: Sequence[str], fitted: Sequence[str], *, where: str
) -> tuple[str, ...]:
    """The text columns to score among an input's `names`.

    In this order: those `asked` for, as many as the model was `fitted` on, those that it was `fitted` on when the input
    has them, the only column with a usual name. UsageError when none of these tells; whether `asked` columns exist is
    for the reader to say.
    """
    if len(asked) > 2:
        raise UsageError(f"--text-column: {len(asked)} columns; one, or two for a pair")
    if asked and fitted and len(asked) != len(fitted):
        wanted = "a pair of columns" if len(fitted) > 1 else "one column"
        raise UsageError(f"--text-column: the model was fitted on {_listed(fitted)}; name {wanted}, not {len(asked)}")
    if asked:
        return tuple(asked)
    if fitted and all(name in names for name in fitted):
        return tuple(fitted)
    usual = [name for name in names if name.lower() in TEXT_NAMES]
    if len(usual) == 1 and len(fitted) < 2:
        return (usual[0],)
    wanted = f"the model was fitted on {_listed(fitted)}; " if fitted else ""
    there = ", ".join(shown(name, quoted=False) for name in names[:20])
    hint = " ".join("--text-column NAME" for _ in range(max(len(fitted), 1)))
    raise UsageError(f"{where}: {wanted}which column holds the text? say {hint}; columns: {there}")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names))
