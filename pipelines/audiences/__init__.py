"""Audiences: who meets a condition over tags, and how they leave as files."""

from pipelines.audiences.select import AudienceSummary, select

__all__ = ["AudienceSummary", "select"]
