"""Identity on any input: edges between identifiers in, who is who out, without a lake.

inputs → refusals → gather → graph → screening → contested → proof → stays → outcome. What is not
contested never leaves numbered arrays; what is goes through ``pipelines.identity``.
"""

from pipelines.edges.resolve import Resolved, resolve_edges, resolve_to, safe_rules

__all__ = ["Resolved", "resolve_edges", "resolve_to", "safe_rules"]
