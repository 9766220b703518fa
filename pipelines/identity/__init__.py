"""Identity: which identifiers are one person, since when it is known, and why.

``resolve`` runs in a draft: evidence → screen → link → components → name → publish, moves.
The rest reads what is published: ``find_person``, ``timeline``, ``explain_person``,
``person_graph``, ``evaluate``.
"""

from pipelines.identity.evaluation import Score, evaluate
from pipelines.identity.explain import explain_person, render
from pipelines.identity.find import find_person
from pipelines.identity.graph import node_of, path_between, person_graph
from pipelines.identity.resolve import IdentitySummary, resolve
from pipelines.identity.timeline import timeline

__all__ = [
    "IdentitySummary",
    "Score",
    "evaluate",
    "explain_person",
    "find_person",
    "node_of",
    "path_between",
    "person_graph",
    "render",
    "resolve",
    "timeline",
]
