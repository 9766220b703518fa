"""Erasure: what belongs to a person, where it lies, and a lake as if they had never come.

``belongings`` → ``erasure_of`` (what is delivered) → ``mark`` → ``find_lines`` (of the landing) →
``remove`` (from the tables of a draft), then identity and tags are worked out anew.
"""

from pipelines.erasure.bitmaps import describe_again
from pipelines.erasure.collect import Belongings, belongings, erasure_of, mark, unmark
from pipelines.erasure.lines import find_lines
from pipelines.erasure.remove import account, forget_names, remove

__all__ = [
    "Belongings",
    "account",
    "belongings",
    "describe_again",
    "erasure_of",
    "find_lines",
    "forget_names",
    "mark",
    "remove",
    "unmark",
]
