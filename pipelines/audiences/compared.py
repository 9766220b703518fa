"""An audience on two dates: who came, who went, who stayed, and who goes on as somebody else.

A member whom another person absorbed has not gone: who absorbed them is asked in their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyroaring import AbstractBitMap

from pipelines.audiences.view import View, numbers_of, show_numbers
from schemas.audiences import Audience

CAUSES = {
    "joined": "it holds of them now",
    "new": "was not known as a person then",
    "split": "was split off from another person",
    "merged_in": "absorbed a member and was none",
    "left": "it holds of them no more",
    "merged_out": "was absorbed by a person who is not in it",
    "vanished": "is no person any more: their evidence names nobody",
    "erased": "is no person any more, and no publication says why: erased",
    "merged": "was absorbed by a person who is in it",
}
"""Why somebody is on one side alone, in words."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two dates of an audience; ``came``, ``went`` and ``merged`` have a row per person.

    Columns: person_no, one_id, cause (one of ``CAUSES``), other_one_id. Members then = stayed +
    merged + went; members now = stayed + came + those who ``merged_in``.
    """

    members_then: int
    members_now: int
    stayed: int
    came: pa.Table
    went: pa.Table
    merged: pa.Table
    merged_in: pa.Table


def difference(then: View, now: View, audience: Audience | str) -> Difference:
    """``audience`` on two views, the earlier one first."""
    before, after = then.members(audience), now.members(audience)
    lost = _lost(then, now, before - after, after)
    gained = _gained(then, now, after - before, lost)
    merged, went = _parted(lost, "merged")
    merged_in, came = _parted(gained, "merged_in")
    return Difference(
        len(before), len(after), len(before & after), came, went, merged, merged_in
    )


def _parted(rows: pa.Table, cause: str) -> tuple[pa.Table, pa.Table]:
    is_so = np.array([one == cause for one in rows["cause"].to_pylist()], dtype=bool)
    return rows.filter(pa.array(is_so)), rows.filter(pa.array(~is_so))


def _lost(then: View, now: View, gone: AbstractBitMap, after: AbstractBitMap) -> pa.Table:
    """Who was a member and is not by number, and who goes on in their place."""
    session = now.session
    show_numbers(session, "compared_gone", numbers_of(gone))
    show_numbers(session, "compared_after", numbers_of(after))
    return session.table(
        f"""
        WITH RECURSIVE gone AS (
          SELECT one_id, person_no FROM compared_gone JOIN person_numbers USING (person_no)
        ),
        way AS (
          SELECT one_id, one_id AS heir, DATE '{then.day}' + 1 AS since FROM gone
          WHERE one_id NOT IN (SELECT one_id FROM persons)
          UNION
          SELECT w.one_id, c.one_id, c.published_for FROM way AS w JOIN identity_changes AS c
            ON c.kind = 'merged' AND c.other_one_id = w.heir AND c.published_for >= w.since
        ),
        heirs AS (
          SELECT w.one_id, arg_max(w.heir, {{'at': w.since, 'who': w.heir}}) AS heir
          FROM way AS w JOIN persons AS p ON p.one_id = w.heir GROUP BY w.one_id
        ),
        vanished AS (SELECT DISTINCT one_id FROM identity_changes
          WHERE kind = 'vanished' AND published_for > DATE '{then.day}')
        SELECT g.person_no, g.one_id, CASE
            WHEN g.one_id IN (SELECT one_id FROM persons) THEN 'left'
            WHEN h.heir IS NULL AND g.one_id IN (SELECT one_id FROM vanished) THEN 'vanished'
            WHEN h.heir IS NULL THEN 'erased'
            WHEN p.person_no IN (SELECT person_no FROM compared_after) THEN 'merged'
            ELSE 'merged_out' END AS cause, h.heir AS other_one_id
        FROM gone AS g LEFT JOIN heirs AS h USING (one_id) LEFT JOIN persons AS p
          ON p.one_id = h.heir ORDER BY g.person_no
        """
    )


def _gained(then: View, now: View, fresh: AbstractBitMap, lost: pa.Table) -> pa.Table:
    """Who is a member and was not by number."""
    known = then.persons(numbers_of(fresh))
    session = now.session
    show_numbers(session, "compared_fresh", numbers_of(fresh))
    show_numbers(session, "compared_known", known["person_no"].to_numpy())
    session.register("compared_lost", lost)
    return session.table(
        f"""
        WITH heirs AS (SELECT other_one_id AS one_id, min(one_id) AS other
          FROM compared_lost WHERE cause = 'merged' GROUP BY ALL),
        parted AS (SELECT one_id, max(other_one_id) AS other FROM identity_changes
          WHERE kind = 'split' AND published_for > DATE '{then.day}' GROUP BY ALL)
        SELECT person_no, one_id, CASE
            WHEN h.one_id IS NOT NULL THEN 'merged_in'
            WHEN person_no IN (SELECT person_no FROM compared_known) THEN 'joined'
            WHEN s.one_id IS NOT NULL THEN 'split'
            ELSE 'new' END AS cause,
          coalesce(h.other, CASE WHEN person_no NOT IN (SELECT person_no FROM compared_known)
            THEN s.other END) AS other_one_id
        FROM compared_fresh JOIN persons USING (person_no)
          LEFT JOIN heirs AS h USING (one_id) LEFT JOIN parted AS s USING (one_id)
        ORDER BY person_no
        """
    )


def told(rows: pa.Table, limit: int) -> list[dict[str, Any]]:
    """The first ``limit`` rows of a side with their cause in words; 0 gives all."""
    chosen = rows.slice(0, limit) if limit else rows
    return [row | {"why": CAUSES[row["cause"]]} for row in chosen.to_pylist()]
