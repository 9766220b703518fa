"""Declared sources become events: parsed, checked, deduplicated, keyed, and accounted for."""

from pipelines.ingest.accounts import Account, IngestSummary
from pipelines.ingest.load import load

__all__ = ["Account", "IngestSummary", "load"]
