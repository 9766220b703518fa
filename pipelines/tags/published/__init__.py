"""What is published of tags beside their values: bitmaps, coverage, and a gate against jumps."""

from pipelines.tags.published.describe import publish_description
from pipelines.tags.published.layout import put_values, show_whole, sparse_on
from pipelines.tags.published.reader import TagBitmaps, version_on

__all__ = [
    "TagBitmaps", "publish_description", "put_values", "show_whole", "sparse_on", "version_on",
]
