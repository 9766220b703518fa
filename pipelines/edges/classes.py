"""The class of evidence of each pair, as ``pipelines.identity.link`` gives it to a bundle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.edges.graph import Graph, of_pairs
from pipelines.edges.texts import Ints
from pipelines.identity.link import class_names
from schemas.identity_rules import IdentityRules

Small = npt.NDArray[np.int16]
_NONE = np.int16(32_767)


class Classes:
    """Classes by types and sources; ``names`` lists what they are called, each once."""

    def __init__(self, graph: Graph, rules: IdentityRules) -> None:
        self._graph = graph
        named = class_names(rules)
        called = [named[number][0] for number in range(len(named))]
        self.names = list(dict.fromkeys(called))
        self._names = np.array([self.names.index(name) for name in called], np.int16)
        other = next(
            (n for n, one in enumerate(rules.evidence, 1) if not one.between and not one.sources),
            len(named) - 1,
        )
        listed = sorted({type for one in rules.evidence for pair in one.between for type in pair})
        place = {type: number for number, type in enumerate(listed, 1)}
        self._kinds = np.array([place.get(type, 0) for type in graph.types] or [0], np.int16)
        self._between = np.full((len(listed) + 1, len(listed) + 1), other, np.int16)
        # The first class that names a pair of types has it, so it is written last.
        for number, one in reversed(list(enumerate(rules.evidence, 1))):
            for a, b in one.between if not one.sources else ():
                self._between[[place[a], place[b]], [place[b], place[a]]] = number
        self._by_source = np.full(len(graph.sources), _NONE, np.int16)
        for number, one in reversed(list(enumerate(rules.evidence, 1))):
            for source in one.sources:
                if source in graph.sources:
                    self._by_source[graph.sources.index(source)] = number

    def of(self, chosen: Ints) -> Small:
        """Of each pair at ``chosen`` the place of its class in ``names``."""
        return self._names[self._numbers(chosen)]

    def _numbers(self, chosen: Ints) -> Small:
        graph, pairs = self._graph, self._graph.pairs[chosen]
        kinds = self._kinds[graph.kinds]
        plain: Small = self._between[kinds[pairs >> 32], kinds[pairs & 0xFFFFFFFF]]
        if graph.rows.source is None or (self._by_source == _NONE).all():
            return plain
        special = of_pairs(graph, self._by_source[graph.rows.source], np.minimum, chosen)
        is_special = self._by_source != _NONE
        is_all = of_pairs(graph, is_special[graph.rows.source], np.logical_and, chosen)
        found: Small = np.where(is_all, special, np.minimum(special, plain))
        return found
