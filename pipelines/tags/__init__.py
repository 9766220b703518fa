"""Tags: what is known of each person on a business date, from declared definitions."""

from pipelines.tags.checks import checked
from pipelines.tags.definitions_log import log_definitions
from pipelines.tags.partials import refresh_partials
from pipelines.tags.past import values_over_dates
from pipelines.tags.publish import publish_tags
from pipelines.tags.published.describe import publish_description
from pipelines.tags.published.layout import show_sparse_tags
from pipelines.tags.vocabulary import declared, tag_values_table

__all__ = [
    "checked", "declared", "log_definitions", "publish_description", "publish_tags",
    "refresh_partials", "show_sparse_tags", "tag_values_table", "values_over_dates",
]
