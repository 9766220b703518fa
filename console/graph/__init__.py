"""The drawn graph: identifiers, what joins them, and what keeps them apart, as one page."""

from console.graph.page import page

__all__ = ["page"]
