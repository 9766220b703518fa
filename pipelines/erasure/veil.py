"""Releases of before an erasure, read as if the erased person had never come.

Their files hold the person until they are thrown away; whoever reads one for people's sake opens it
here. Where nothing was erased since, nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import duckdb
import msgspec

from lake.engines.duckdb import Session
from lake.releases import Release
from lake.store import Lake
from pipelines.erasure.collect import Belongings, mark
from pipelines.erasure.remove import NOBODY, conditions, mark_bundles, mark_gone
from pipelines.tags.published.reader import HIDDEN
from schemas.erasures import SUPPRESSIONS, Suppression
from schemas.errors import StorageError

_NAMED = "{} IN (SELECT one_id FROM erase_names)"
_GONE = "{} IN (SELECT identifier_key FROM erase_gone)"

_OTHERS = {
    "person_numbers": "t.person_no IN (SELECT person_no FROM erase_numbers)",
    "bundle_persons": _NAMED.format("t.one_id"),
    "identifiers": _GONE.format("t.identifier_key"),
    "identity_moves": " OR ".join((
        _GONE.format("t.identifier_key"), _NAMED.format("t.one_id_from"),
        _NAMED.format("t.one_id_to"),
    )),
    "links": " OR ".join(
        _GONE.format(f"t.{name}") for name in ("identifier_key_a", "identifier_key_b", "blocker")
    ),
    # Rows that left with an erasure stand in the newest release no more.
    "quarantine": "NOT EXISTS (SELECT 1 FROM newest_quarantine AS q "
    "WHERE q.file = t.file AND q.line = t.line)",
}
"""What an erasure leaves to later steps, or knows by the words, is hidden by its own condition."""


@contextmanager
def reader(lake: Lake, as_of: date | int | None = None) -> Iterator[Session]:
    """A session that shows a release without whom a later one has erased; see ``Lake.reader``."""
    release = lake.release(as_of)
    with lake.session() as session:
        yield opened(lake, release, session)


def opened(lake: Lake, release: Release, session: Session) -> Session:
    """Show ``release`` in ``session`` without whom a later release has erased; returns it."""
    release.open(session)
    newest = lake.release()
    if newest.versions.get(SUPPRESSIONS.name) != release.versions.get(SUPPRESSIONS.name):
        try:
            veil(session, release, newest)
        except duckdb.IOException as error:
            raise StorageError(
                "a file of this release is gone", expected="a release whose files are kept",
                got=str(error).splitlines()[0], where=f"release {release.release_no}",
                todo="take a newer release (`guiyi release list`); this one was vacuumed",
            ) from error
    return session


def veil(session: Session, release: Release, newest: Release) -> None:
    """Replace the views of the open ``release`` by views without whom ``newest`` has erased since.

    Makes the table ``hidden_persons`` (``person_no``), by which bitmaps go without them.
    """
    found = _erased_since(session, newest)
    if not found.stays:
        return
    mark(session, found)
    mark_gone(session)
    hidden = {**dict(conditions()), **_OTHERS}
    last = "bundles"
    kept = {name: f"NOT coalesce(({condition}), false)" for name, condition in hidden.items()}
    release.open(session, sorted(kept.keys() - {last}), kept)
    mark_bundles(session)
    release.open(session, [last], kept)
    session.execute(f"CREATE TEMP TABLE {HIDDEN} AS SELECT person_no FROM erase_numbers")
    session.execute("DROP TABLE erase_members")


def _erased_since(session: Session, newest: Release) -> Belongings:
    """Whom the newest release holds no more, with the names they have in the open one.

    Numbers are given once for ever, and those of erased persons are told by their names.
    """
    for name in (SUPPRESSIONS.name, "person_numbers", "quarantine"):
        paths = [file.path for file in newest.files(name)]
        session.view(f"newest_{name}", newest.schema(name), paths)
    stays = session.table(
        "SELECT DISTINCT type, identifier_key, valid_from, valid_to FROM newest_suppressions "
        "WHERE erasure_id NOT IN (SELECT erasure_id FROM suppressions) ORDER BY ALL"
    )
    numbers = "SELECT person_no FROM newest_person_numbers " \
        f"WHERE starts_with(one_id, '{NOBODY}')"
    names = session.rows(
        f"SELECT one_id FROM person_numbers WHERE person_no IN ({numbers}) ORDER BY 1"
    )
    return Belongings(
        [str(one) for (one,) in names],
        [int(str(one)) for (one,) in session.rows(f"{numbers} ORDER BY 1")],
        [msgspec.convert(row, Suppression) for row in stays.to_pylist()],
    )
