"""Identity: which identifiers are one person, since when it is known, and why.

``resolve`` runs in a draft: decisions, scope → evidence → screen → holders, stays → link → settle
→ name → assign → verify → publish, moves, health.
The rest reads what is published: ``find_person``, ``timeline``, ``explain_person``,
``explain_link``, ``person_graph``, ``surroundings``, ``evaluate``, ``compare``.
"""

from pipelines.identity.between import explain_link, render_link, stays_around
from pipelines.identity.compare import compare, render_comparison
from pipelines.identity.evaluation import Evaluation, Score, evaluate
from pipelines.identity.explain import explain_person, render
from pipelines.identity.find import find_identifier, find_key, find_person
from pipelines.identity.graph import node_of, path_between, person_graph, surroundings
from pipelines.identity.health import health, health_lines, render_health, warning
from pipelines.identity.resolve import IdentitySummary, resolve
from pipelines.identity.sighted import Node
from pipelines.identity.timeline import timeline
from pipelines.identity.traps import TrapScore
from pipelines.identity.truth import Truth

__all__ = [
    "Evaluation",
    "IdentitySummary",
    "Node",
    "Score",
    "TrapScore",
    "Truth",
    "compare",
    "evaluate",
    "explain_link",
    "explain_person",
    "find_identifier",
    "find_key",
    "find_person",
    "health",
    "health_lines",
    "node_of",
    "path_between",
    "person_graph",
    "render",
    "render_comparison",
    "render_health",
    "render_link",
    "resolve",
    "stays_around",
    "surroundings",
    "timeline",
    "warning",
]
