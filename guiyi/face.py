"""What a notebook holds in its hands: a lake and its releases, read only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyroaring import AbstractBitMap

from jobs import audiences
from jobs.audiences import Defined, definition
from lake import conf, releases
from lake.engines.duckdb import Session, quoted
from lake.store import Lake as Store
from lake.store import open_lake
from models.published import PublishedModel, explained, published
from pipelines import identity
from pipelines.audiences import version
from pipelines.audiences.compared import Difference, difference
from pipelines.audiences.explain import Verdict, explain
from pipelines.audiences.view import View, overlap
from pipelines.erasure import veil
from pipelines.tags import declared, listing, show_sparse_tags, values_over_dates
from pipelines.tags.published import TagBitmaps
from schemas import catalog
from schemas.audiences import Audience
from schemas.errors import NotFoundError, UsageError
from schemas.programme import Programme
from schemas.tag_definitions import TagFile

_AUDIENCES = pa.schema([
    pa.field("audience", pa.string()), pa.field("label", pa.string()),
    pa.field("version", pa.string()), pa.field("members", pa.int64()),
])


@dataclass(frozen=True)
class Lake:
    """A lake on disk; see ``open``."""

    _store: Store

    @property
    def root(self) -> Path:
        """Its folder."""
        return self._store.root

    def releases(self) -> list[date]:
        """Business dates of all releases, oldest first."""
        return [release.business_date for release in self._store.releases()]

    def release(self, as_of: date | int | str | None = None) -> Release:
        """The newest release, that of a business date (also as ISO text), or that of a number.

        UsageError for a text that is no date.
        """
        wanted = _date(as_of) if isinstance(as_of, str) else as_of
        found = self._store.release(wanted)
        session = show_sparse_tags(veil.opened(self._store, found, self._store.session()))
        return Release(found, session, self._store)


class Release:
    """One publication with all its tables in one DuckDB session."""

    def __init__(self, release: releases.Release, session: Session, store: Store) -> None:
        self._release, self._session, self._store = release, session, store
        self._snapshots = store.snapshots

    @property
    def business_date(self) -> date:
        """The date it speaks of."""
        return self._release.business_date

    @property
    def cut(self) -> datetime:
        """Its inputs were received before this instant."""
        return self._release.cut

    @property
    def tables(self) -> list[str]:
        """Names of its tables."""
        return sorted(self._release.versions)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """A query over the tables, as a DuckDB relation: .df(), .pl(), .to_arrow_table()."""
        return self._session.con.sql(query)

    def table(self, name: str) -> pa.Table:
        """A whole table as Arrow."""
        catalog.table(name)
        return self._session.table(f'SELECT * FROM "{name}"')

    def person(self, who: str) -> str:
        """The one_id of a one_id, a person_no, or any identifier's value."""
        (programme,) = conf.load("programme.yml", Programme)
        return identity.find_person(self._session, who, programme.region)

    def timeline(self, who: str, start: date | None = None, end: date | None = None) -> pa.Table:
        """A person's events from all sources in time order, with source and identifiers."""
        return identity.timeline(self._session, self.person(who), start, end)

    def tag(self, name: str) -> pa.Table:
        """``business_date, one_id, person_no, value`` of a tag on every published date.

        ``name`` is its present name or any it had before; its past goes on under both.
        """
        found = values_over_dates(self._session, name, declared(conf.load("tags", TagFile)))
        show_sparse_tags(self._session)
        return found

    def tags(self) -> pa.Table:
        """The tags of the date, one row each: label, kind, type, and of how many it is known."""
        return listing.listed(self._session, self.business_date)

    def tag_coverage(self, name: str) -> pa.Table:
        """A tag on every date it was published: coverage, spread, and what moved since the last.

        ``name`` is its present or a former one; NotFoundError for any other.
        """
        return listing.coverage_by_date(self._session, name)

    def bitmaps(self) -> TagBitmaps:
        """Who has which value of which tag on the date, as sets of ``person_no``."""
        return TagBitmaps.of(self._session, self._snapshots, self.business_date)

    def model(self, name: str) -> PublishedModel:
        """The model that gave the newest scores of ``name``: card, figures, features in words.

        NotFoundError for one that was never published.
        """
        return published(self._session, self._snapshots, name)

    def explain_score(self, who: str, model: str) -> pa.Table:
        """Why a model's newest score of a person is what it is: feature, value, contribution.

        ``who`` as in ``person``. NotFoundError for who has no score.
        """
        return explained(self._session, self.model(model), self.person(who))

    def audience(self, name: str) -> pa.Table:
        """Members of an audience as the release published them, with their tags of its date."""
        day = f"DATE '{self.business_date}'"
        members = self._session.table(
            f"SELECT t.* FROM audience_members m JOIN tag_values t USING (business_date, one_id) "
            f"WHERE m.audience = {quoted(name)} AND m.business_date = {day} ORDER BY t.person_no"
        )
        if members.num_rows == 0:
            self._known_audience(name)
        return members

    def audiences(self) -> pa.Table:
        """The audiences in force: label, version, and size here by the definition of now."""
        every = self._defined.audiences
        found = [
            {"audience": one.name, "label": one.label, "version": version(one, every),
             "members": self.count(one.name)}
            for one in every
        ]
        return pa.Table.from_pylist(found, schema=_AUDIENCES)

    def count(self, audience: str | Mapping[str, Any]) -> int:
        """How many are in an audience by the definition of now, from bitmaps.

        ``audience`` is the name of one in force, or a definition: a mapping, or the same as JSON.
        """
        return len(self._members(audience))

    def members(self, audience: str | Mapping[str, Any]) -> pa.Table:
        """``person_no`` and ``one_id`` of who is in an audience; see ``count``."""
        return self._view.page(self._members(audience))

    def overlap(self, *audiences: str | Mapping[str, Any]) -> pa.Table:
        """How many are in each two of the audiences: a row and a column of each; see ``count``."""
        named = {self._defined_as(one).name: self._members(one) for one in audiences}
        return pa.Table.from_pylist(
            [{"audience": row["audience"], **row["with"]} for row in overlap(named)]
        )

    def audience_since(self, earlier: Release, audience: str | Mapping[str, Any]) -> Difference:
        """Who came, went and stayed in an audience since an earlier release; see ``count``.

        A member whom another person absorbed has not gone. UsageError for a later release.
        """
        if earlier.business_date >= self.business_date:
            raise UsageError(
                "this release is not earlier", expected=f"one before {self.business_date}",
                got=str(earlier.business_date),
            )
        return difference(earlier._view, self._view, self._defined_as(audience))

    def audience_distribution(self, audience: str | Mapping[str, Any], tag: str) -> pa.Table:
        """How a tag is spread in an audience, beside everyone: counts, shares and lift by bin."""
        found = self._view.distribution(self._members(audience), tag)
        return pa.Table.from_pylist(found["bins"])

    def explain_audience(self, who: str, audience: str | Mapping[str, Any]) -> Verdict:
        """Why a person is in an audience or not: each part of its tree, with the values.

        ``who`` as in ``person``, ``audience`` as in ``count``.
        """
        ((number,),) = self._session.rows(
            f"SELECT person_no FROM persons WHERE one_id = {quoted(self.person(who))}"
        )
        return explain(self._view.selector, self._defined_as(audience), int(str(number)))

    @cached_property
    def _defined(self) -> Defined:
        return audiences.read(self._store)

    @cached_property
    def _view(self) -> View:
        told = self._defined
        return View(
            self._session, self._snapshots, self.business_date, told.tags, told.audiences,
            zone=told.zone,
        )

    def _members(self, audience: str | Mapping[str, Any]) -> AbstractBitMap:
        return self._view.members(self._defined_as(audience))

    def _defined_as(self, audience: str | Mapping[str, Any]) -> Audience:
        if isinstance(audience, str) and not audience.lstrip().startswith("{"):
            return self._view.audience(audience)
        given = definition(audience)
        self._defined.require_right(given)
        return given

    def _known_audience(self, name: str) -> None:
        rows = self._session.rows("SELECT DISTINCT audience FROM audience_members")
        declared = [audience.name for audience in self._defined.audiences]
        known = sorted({*declared, *(str(row[0]) for row in rows)})
        if name not in known:
            raise NotFoundError(
                f"there is no audience {name!r}", expected=", ".join(known), got=name
            )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "this is not a date", expected="a business date such as 2017-12-31", got=repr(text)
        ) from None


def open(root: str | Path | None = None) -> Lake:
    """The lake at ``root`` (default: ``GUIYI_DATA``, or ``data``)."""
    return Lake(open_lake(root))
