"""How identifiers are written: the normal form of many values at once.

Most values stand in their normal form already, which one pass over their bytes and at most one
expression tell; only the others go through ``domain.identifiers``, which alone says what is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from domain.identifiers import clean_sql, mobile_pattern, normalise, normalise_clean_sql
from pipelines.edges.refusals import CODE
from pipelines.edges.texts import buffers
from schemas.identity_rules import IdentityRules
from schemas.sources import IDENTIFIER_TYPES

Flags = npt.NDArray[np.bool_]
AS_IT_STANDS = "as_it_stands"

# How each normaliser writes: as the sources' type of that name, which needs no declaration here.
_LIKE = {
    "text": "user_id", "lower": "oaid", "upper": "idfa", "phone": "phone", "email": "email",
    "device_id": "device_id", "card": "member_card",
}  # fmt: skip
_MAY_HAVE_UPPER = frozenset({"user_id", "idfa", "member_card"})
_EMAIL = r"\A[^@ ]+@[^@ ]+\.[^@ .]+\z"


def ways(rules: IdentityRules) -> dict[str, str]:
    """Of each type that the rules list or the sources know, the type whose normal form it has."""
    of_type = {name: name for name in IDENTIFIER_TYPES}
    of_type |= {one.type: _LIKE[one.normaliser] for one in rules.types if one.normaliser}
    alike = {"member_card", "idfa", "oaid", "device_id", "email", "phone"}
    return {name: like if like in alike else "user_id" for name, like in of_type.items()}


class Writer:
    """Brings identifiers into their normal form; ``of_type`` is what ``ways`` gives.

    A type that it does not name is written like ``user_id``; with None all stay as they stand.
    """

    def __init__(self, of_type: Mapping[str, str] | None, region: str) -> None:
        self._of_type, self._region = of_type, region
        self._con = duckdb.connect(config={"threads": 1})
        code, pattern = mobile_pattern(region)
        self._mobile = rf"\A\+{code}(?:{pattern})\z"

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def one(self, type: str, value: str) -> str | None:
        """The normal form of one value; None where it has none."""
        types = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array([type]))
        values, reasons = self.write(types, pa.array([value]))
        return None if reasons[0] else str(values[0])

    def write(
        self, types: pa.DictionaryArray, values: pa.StringArray
    ) -> tuple[pa.StringArray, npt.NDArray[np.int8]]:
        """The values in normal form, and per value the code of the reason if it has none.

        A value without normal form stays as it came.
        """
        reasons = np.zeros(len(values), np.int8)
        if self._of_type is None or not len(values):
            return values, reasons
        ways = [self._of_type.get(name, "user_id") for name in types.dictionary.to_pylist()]
        way = np.array(ways, object)[types.indices.to_numpy()]
        odd = np.flatnonzero(self._is_odd(way, values))
        if not len(odd):
            return values, reasons
        came = values.take(pa.array(odd))
        written, why = self._written(way[odd].tolist(), came)
        reasons[odd] = why
        mask = np.zeros(len(values), np.bool_)
        mask[odd] = True
        return pc.replace_with_mask(values, pa.array(mask), written), reasons

    def _is_odd(self, way: npt.NDArray[Any], values: pa.StringArray) -> Flags:
        """Whether a value may be written otherwise in its normal form, or have none."""
        from pipelines.edges.kernels import LOWER, UPPER, VISIBLE, look

        marks = np.empty(len(values), np.uint8)
        look(*buffers(values), marks)
        odd: Flags = marks & VISIBLE == 0
        for name in set(way.tolist()):
            mine = way == name
            if name == "phone":
                odd |= mine & ~_matches(values, mine, self._mobile)
            elif name == "email":
                odd |= mine & ~_matches(values, mine, _EMAIL)
            if name in ("idfa", "member_card"):
                odd |= mine & (marks & LOWER > 0)
            elif name not in _MAY_HAVE_UPPER:
                odd |= mine & (marks & UPPER > 0)
        return odd

    def _written(
        self, ways: list[str], came: pa.StringArray
    ) -> tuple[pa.StringArray, npt.NDArray[np.int8]]:
        branches = " ".join(
            f"WHEN '{name}' THEN {normalise_clean_sql(name, 'clean', self._region)}"
            for name in sorted(set(ways))
        )
        self._con.register("came", pa.table({"no": range(len(ways)), "way": ways, "came": came}))
        rows = self._con.sql(
            f"SELECT clean IS NULL AS is_bare, CASE way {branches} END AS normal "
            f"FROM (SELECT *, {clean_sql('came')} AS clean FROM came) ORDER BY no"
        ).to_arrow_table()
        normal = rows["normal"].combine_chunks()
        is_bare = rows["is_bare"].to_numpy()
        missing = np.flatnonzero(pc.is_null(normal).to_numpy(zero_copy_only=False) & ~is_bare)
        found = [self._by_hand(ways[place], str(came[place])) for place in missing.tolist()]
        if found:
            mask = np.zeros(len(ways), np.bool_)
            mask[missing] = True
            normal = pc.replace_with_mask(normal, pa.array(mask), pa.array(found, pa.string()))
        why = np.zeros(len(ways), np.int8)
        for place, text in zip(missing.tolist(), found, strict=True):
            why[place] = 0 if text else CODE[_NOT[ways[place]]]
        why[is_bare] = CODE["nothing_visible"]
        return pc.coalesce(normal, came), why

    def _by_hand(self, way: str, value: str) -> str | None:
        """SQL knows the mobile numbers of one country only."""
        return normalise(way, value, self._region) if way == "phone" else None


_NOT = {"phone": "not_a_phone", "email": "not_an_email"}


def _matches(values: pa.StringArray, mine: Flags, pattern: str) -> Flags:
    found = np.zeros(len(mine), np.bool_)
    some = values.filter(pa.array(mine))
    found[mine] = pc.match_substring_regex(some, pattern).to_numpy(zero_copy_only=False)
    return found
