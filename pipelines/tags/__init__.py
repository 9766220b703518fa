"""Tags: what is known of each person on a business date, from declared definitions."""

from pipelines.tags.partials import refresh_partials
from pipelines.tags.publish import publish_tags
from pipelines.tags.vocabulary import declared, tag_values_table

__all__ = ["declared", "publish_tags", "refresh_partials", "tag_values_table"]
