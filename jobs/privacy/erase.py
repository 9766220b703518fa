"""Erases a person: from the tables of every date, the landing, exports, bitmaps and copies.

First an erasure is landed, by keys alone; whatever ends a run after that, the next one, or the
next release, carries it out from the beginning and ends the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from jobs.privacy.elsewhere import (
    as_first_found,
    clean,
    clean_reasons,
    forget_found,
    found_elsewhere,
    note,
)
from jobs.privacy.receipts import receipt, write_receipts
from jobs.progress import log, stage
from jobs.release import Clock, derive, fingerprint_of, point_to_released
from jobs.secret import refuse_other_secret
from jobs.settings import Settings
from lake import crash, erasing, snapshots
from lake.draft import Draft
from lake.engines.duckdb import Session
from lake.landing import Delivery
from lake.store import Lake
from pipelines import erasure, identity, ingest
from pipelines.erasure.collect import clear_values, suppressed
from pipelines.erasure.lines import spelt
from pipelines.erasure.masking import mask_rows
from pipelines.identity.find import typed_value
from pipelines.ingest.erasures import Named
from schemas.erasures import ERASURES, Erasure
from schemas.errors import NotFoundError, NothingToDo, UsageError
from schemas.tag_bounds import TagBounds
from services.privacy.core import Receipt

Noted = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Incoming:
    """An erasure on its way to the landing."""

    erasure: Erasure

    @property
    def source(self) -> str:
        """The source of all erasures."""
        return ERASURES

    @property
    def path(self) -> str:
        """A file of its own."""
        return f"{ERASURES}/{self.erasure.erasure_id}.jsonl"

    @property
    def delivered_at(self) -> datetime:
        """When it was made."""
        return self.erasure.erased_at

    @property
    def content(self) -> bytes:
        """A file of this one line."""
        return msgspec.json.encode(self.erasure) + b"\n"


def land(
    lake: Lake, settings: Settings, who: str, *, reason: str, author: str, clock: Clock,
    dry_run: bool = False, noted: Noted = lambda _: None,
) -> Erasure:
    """Land the erasure of the person whom ``who`` names, and return it.

    ``noted`` is told its id before it lands. NotFoundError where it names nobody, NothingToDo where
    they are erased already, UsageError
    where the reason or the author tells who it is.
    """
    newest = lake.release()
    with lake.draft(newest.business_date, newest.cut) as draft:
        session, region = draft.session, settings.programme.region
        refuse_other_secret(session, lake.identifier_secret())
        try:
            one_id = identity.find_person(session, who, region)
        except NotFoundError:
            _refuse_again(session, who, region, lake.identifier_secret())
            raise
        found = erasure.belongings(session, one_id)
        erasure.mark(session, found)
        made = erasure.erasure_of(
            session, found, reason=_text(reason, "--reason"), author=_text(author, "--author"),
            at=clock(),
        )
        values = clear_values(session, [one.identifier_key for one in found.stays])
        _refuse_telling(made, [value for _, value in values], lake.identifier_secret(), region)
        erasure.unmark(session)
    if not dry_run:
        noted(made.erasure_id)
        lake.landing.receive([Incoming(made)])
        crash.point("erase.after_delivery")
    return made


def waiting(lake: Lake) -> list[Delivery]:
    """Erasures that were landed and that no release has carried out."""
    if not lake.releases():
        return []
    with lake.reader() as session:
        return _waiting(lake, session)


def _waiting(lake: Lake, session: Session) -> list[Delivery]:
    known = {str(file) for (file,) in session.rows("SELECT file FROM deliveries")}
    return [
        one for one in lake.landing.deliveries()
        if one.source == ERASURES and one.file not in known
    ]


def finish(lake: Lake, settings: Settings, run_id: str, clock: Clock) -> list[str]:
    """Carry out every erasure that is waiting, each as a release of the newest date; their ids.

    Afterwards each erasure of the lake has its receipt.
    """
    erasing.settle(lake.landing)
    done = []
    while waiting(lake):
        done += _carry_out(lake, settings, run_id, clock)
    forget_found(lake)
    write_receipts(lake, settings.programme.retention_days)
    return done


def erase(
    lake: Lake, settings: Settings, who: str, *, reason: str, author: str, run_id: str,
    clock: Clock, noted: Noted = lambda _: None,
) -> Receipt:
    """Erase the person whom ``who`` names, after any erasure that waits; the signed receipt.

    Errors as of ``land``. BusyError where a release goes on: then the erasure may wait, landed,
    which that release or the next call carries out.
    """
    finish(lake, settings, run_id, clock)
    made = land(lake, settings, who, reason=reason, author=author, clock=clock, noted=noted)
    finish(lake, settings, run_id, clock)
    return receipt(lake, made.erasure_id)


def _carry_out(lake: Lake, settings: Settings, run_id: str, clock: Clock) -> list[str]:
    """The first that waits, by its id; none where another run came before."""
    newest = lake.release()
    with lake.draft(newest.business_date, newest.cut) as draft, stage("erasure"):
        assert draft.parent is not None
        left = _waiting(lake, draft.session)
        if draft.parent.release_no != newest.release_no or not left:
            return []
        delivery, secret = left[0], lake.identifier_secret()
        refuse_other_secret(draft.session, secret)
        ingest.load(
            draft, settings.sources, settings.programme, [delivery], lake.landing.read, secret
        )
        erasure_id = _carried_out(lake, settings, draft, delivery, secret)
        crash.point("erase.before_publish")
        inputs = fingerprint_of(lake, newest.cut)
        release = draft.publish(run_id, inputs, settings.fingerprint, clock)
    point_to_released(lake)
    log.info("erasure %s is carried out in release %d", erasure_id, release.release_no)
    return [erasure_id]


def _carried_out(
    lake: Lake, settings: Settings, draft: Draft, delivery: Delivery, secret: bytes
) -> str:
    """All but the publication; the id."""
    erasure_id = _id_in(draft, delivery)
    with stage("what is erased"):
        _remove(lake, settings, draft, erasure_id, secret)
    # A jump of a small audience would keep the person.
    steady = dataclasses.replace(settings, tag_bounds=TagBounds(1.0, 1.0, 1 << 31))
    _, models = derive(lake, steady, draft, is_direct=True)
    erasure.forget_names(draft)
    erasure.unmark(draft.session)
    for name, files in models.items():
        snapshots.keep(lake.snapshots, name, files)
    return erasure_id


def _remove(
    lake: Lake, settings: Settings, draft: Draft, erasure_id: str, secret: bytes
) -> None:
    session, region = draft.session, settings.programme.region
    found = suppressed(session, erasure_id)
    erasure.mark(session, found)
    deliveries = lake.landing.deliveries()
    with stage(f"looking through {len(deliveries)} delivered files"):
        told = erasure.find_lines(
            draft, settings.sources, settings.programme, deliveries, lake.landing.read, secret
        )
    told = as_first_found(lake, erasure_id, told)
    with stage("looking through exports and other files"):
        elsewhere = found_elsewhere(lake, settings, session, told.spellings)
    first = elsewhere.first_found(lake, erasure_id, _by_source(deliveries, told.lines))
    mask = erasing.Mask(told.masked, pattern) if (pattern := spelt(told.spellings)) else None
    erasing.redact(lake.landing, told.lines, mask)
    clean(lake, elsewhere, erasure_id)
    clean_reasons(lake, spelt(told.spellings))
    with stage("taking the person out of the tables"):
        tables = erasure.remove(draft, settings.sources, told.spellings, region, secret)
    if mask is not None:
        mask_rows(draft, told.masked, mask.pattern)
    erasure.account(draft, lake.landing.deliveries())
    dates = erasure.describe_again(draft, lake.snapshots)
    note(lake, erasure_id, {**first, "tables": tables, "dates_of_bitmaps": dates})


def _by_source(
    deliveries: Sequence[Delivery], lines: dict[str, set[int]]
) -> dict[str, dict[str, int]]:
    """Files and lines by source."""
    found: dict[str, dict[str, int]] = {}
    for one in deliveries:
        if one.file in lines:
            mine = found.setdefault(one.source, {"files": 0, "lines": 0})
            mine["files"] += 1
            mine["lines"] += len(lines[one.file])
    return found


def _id_in(draft: Draft, delivery: Delivery) -> str:
    found = draft.session.rows(
        f"SELECT erasure_id FROM {ERASURES} WHERE file = '{delivery.file}'"
    )
    if len(found) != 1:
        raise UsageError(
            "a file of erasures holds one erasure that is not known yet", expected="one line",
            got=f"{len(found)}", where=delivery.file,
            todo="erase with `guiyi erase`, which lands such a file",
        )
    return str(found[0][0])


def _refuse_again(session: Session, who: str, region: str, secret: bytes) -> None:
    """NothingToDo where ``who`` is an identifier that an erasure suppresses for all time."""
    named = Named.of(session, region, secret)
    typed = typed_value(who, region)
    keys = ", ".join(map(str, named.keys_of(typed[1] if typed else who)))
    if keys:
        found = session.rows(
            f"SELECT DISTINCT erasure_id FROM suppressions WHERE identifier_key IN ({keys}) "
            "ORDER BY erasure_id"
        )
        ids = ", ".join(str(one) for (one,) in found)
        raise NothingToDo(
            f"nothing to do: erased already, see {ids}", got="an identifier that is suppressed",
            where=f"erasure {ids}",
            todo="the receipt: `guiyi erasure receipt ID`, or GET /v1/erasures/ID",
        )


def _refuse_telling(
    made: Erasure, values: Sequence[str], secret: bytes, region: str
) -> None:
    keys: dict[str, set[int]] = {}
    for one in made.suppressions:
        keys.setdefault(one.type, set()).add(one.identifier_key)
    named = Named(keys, region, secret)
    for option, text in (("--reason", made.reason), ("--author", made.author)):
        if named.stand_in(text.encode(), "utf-8") or any(value in text for value in values):
            raise UsageError(
                "this tells who it is, and would be kept", expected="words without an identifier",
                got="one of the person's identifiers", where=option,
                todo="say e.g. `asked by letter`, or the number of the case",
            )


def _text(text: str, option: str) -> str:
    clean_text = " ".join(text.encode("utf-8", "replace").decode().split())
    if not clean_text:
        raise UsageError(
            "an erasure needs a reason and an author", expected="who had it done and why",
            got=f"an empty {option}", where=option,
        )
    return clean_text

