"""Audiences: who meets a condition over tags and deeds, and how they leave as files."""

from pipelines.audiences.compile import version
from pipelines.audiences.resolve import check
from pipelines.audiences.select import AudienceSummary, select
from pipelines.audiences.selector import Selector, member_query

__all__ = ["AudienceSummary", "Selector", "check", "member_query", "select", "version"]
