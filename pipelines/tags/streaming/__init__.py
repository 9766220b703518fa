"""Tags per bundle as events come: a pure step over daily partials, equal to the daily run.

``subset`` says which tags, ``rows`` what an event gives, ``days`` what is kept, ``book`` the tags
made ready, ``step`` what an event and a new date do.
"""

from pipelines.tags.streaming.book import Book, book
from pipelines.tags.streaming.rows import Event
from pipelines.tags.streaming.step import State, advance, next_change, step, values
from pipelines.tags.streaming.subset import Subset, chosen

__all__ = [
    "Book", "Event", "State", "Subset", "advance", "book", "chosen", "next_change", "step",
    "values",
]
