"""Fuzzy matching: records without a common identifier that are probably one person.

``match`` gives edges with a probability, evidence for ``identity`` like any other edge and
weaker. It works through Splink, an optional library: records → model → match; ``quality`` measures
against a truth.
"""

from pipelines.fuzzy.match import Matched, match
from pipelines.fuzzy.model import require_splink
from pipelines.fuzzy.quality import Quality, measure

__all__ = ["Matched", "Quality", "match", "measure", "require_splink"]
