"""The known word that somebody who wrote an unknown one may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like ``word``; empty where none is like it."""
    by_folded = {one.casefold(): one for one in sorted(known, reverse=True)}
    close = get_close_matches(word.casefold(), sorted(by_folded), 1, 0.6)
    return by_folded[close[0]] if close else ""


def meant(word: str, known: Iterable[str]) -> str:
    """The question whether the nearest known word was meant, for the ``todo`` of an error."""
    close = nearest(word, known)
    return f"did you mean `{close}`?" if close else ""
