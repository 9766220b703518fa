"""Enters decisions of people about who is who, and lists them.

A decision is a file of one line in the landing: it enters the release whose cut follows, and a
rebuild from raw reads it again. What is entered is held against every decision that was landed
before, whether in a release yet or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from domain.dates import business_date
from domain.identifiers import identifier_key
from domain.masking import mask
from jobs.dates import not_before_newest
from jobs.secret import refuse_other_secret
from lake import lines, locks
from lake.landing import LOCK_WAIT_S
from lake.store import Lake
from pipelines.identity.decisions import Entry, contradicted, standing
from pipelines.identity.find import Identifier, find_identifier, typed_value
from pipelines.ingest import decisions, staging
from schemas.decisions import DECISIONS, Decision, Keyed, Kind
from schemas.errors import InputError, NothingToDo, UsageError
from schemas.programme import Programme


@dataclass(frozen=True, slots=True)
class Landed:
    """A decision as the landing holds it, or is about to."""

    decision: Decision
    path: str
    delivered_at: datetime
    source: str = DECISIONS

    @property
    def content(self) -> bytes:
        """A file of this one line."""
        return msgspec.json.encode(self.decision) + b"\n"

    @property
    def entry(self) -> Entry:
        """What it says, by keys."""
        said, keys = self.decision, self.decision.keys
        a, b = keys[0] if keys else None, keys[1] if len(keys) > 1 else None
        return Entry(self.delivered_at, said.decision_id, said.kind, a, b, said.revokes)

    def __str__(self) -> str:
        said = self.decision
        at = f"{said.decided_at:%Y-%m-%d %H:%M:%S}Z"
        return f"{said.kind} {said.decision_id} by {said.author} at {at}: {said.reason}"


def identifiers(
    lake: Lake, texts: Sequence[str], region: str, *, may_be_unseen: bool = False
) -> list[Identifier]:
    """What ``texts`` name: identifiers of the newest release, or ``may_be_unseen`` type:value.

    NotFoundError where none was seen, UsageError where a text names several.
    """
    if not texts:
        return []
    secret = lake.identifier_secret()
    typed = [typed_value(text, region) if may_be_unseen else None for text in texts]
    told = [Identifier(*one, identifier_key(*one, secret)) if one else None for one in typed]
    if all(told) and not lake.releases():
        return [one for one in told if one]
    with lake.reader() as session:
        refuse_other_secret(session, secret)
        return [
            one or find_identifier(session, text, region)
            for one, text in zip(told, texts, strict=True)
        ]


def refuse_screened(lake: Lake, named: Sequence[Identifier]) -> None:
    """UsageError where a rule blocks one of ``named`` or calls it a hub: no link would join it.

    What a decision blocks is left to ``enter``, which knows whether it was taken back since.
    """
    clear = {one.identifier_key: one for one in named}
    with lake.reader() as session:
        for key, reason, rule in session.rows(
            "SELECT identifier_key, reason, rule FROM screened "
            f"WHERE identifier_key IN ({', '.join(map(str, clear))}) "
            "AND NOT starts_with(rule, 'decision ')"
        ):
            raise UsageError(
                "a screened identifier unites nothing, so it cannot be linked",
                expected="identifiers that name one person",
                got=f"{_masked(clear[int(str(key))])}: {reason} ({rule})",
                todo="change the rule in conf/local/identity.yml first",
            )


def enter(
    lake: Lake,
    kind: Kind,
    named: Sequence[Identifier],
    *,
    reason: str,
    author: str,
    revokes: str | None = None,
    at: datetime | None = None,
) -> Landed:
    """Land a decision and return it; ``at`` is when it was made and delivered, None is now.

    UsageError when it contradicts one in force, NothingToDo when one in force says the same.
    """
    if len({one.identifier_key for one in named}) < len(named):
        raise UsageError(
            f"{kind} needs two identifiers",
            expected="two that differ",
            got=f"{_masked(named[0])} twice",
        )
    keyed = [Keyed(one.type, one.identifier_key) for one in named]  # type: ignore[arg-type]
    a, b = [*sorted(keyed, key=lambda one: one.identifier_key), None, None][:2]
    with locks.exclusive(lake.landing.root, "decisions", wait_s=LOCK_WAIT_S):
        known = landed(lake)
        at = _time(lake, known, at)
        decision = Decision(
            kind=kind,
            a=a,
            b=b,
            revokes=revokes,
            reason=_text(reason, "--reason"),
            author=_text(author, "--author"),
            decided_at=at,
        )
        decision = decisions.identified(decision)
        new = Landed(decision, f"{DECISIONS}/{decision.decision_id}.jsonl", at)
        _refuse(known, new)
        lake.landing.receive([new])
    return new


def landed(lake: Lake) -> list[Landed]:
    """Every decision in the landing, in order of receipt, each once; broken lines are left out."""
    files = [one for one in lake.landing.deliveries() if one.source == DECISIONS]
    opened = staging.opened(enumerate(files), "by_name", lake.landing.read, _unreadable)
    found: dict[str, Landed] = {}
    for batch in lines.batches(opened, "utf-8", has_header=False):
        for row in decisions.read(batch):
            if isinstance(row, decisions.Row):
                file = files[row.file_no]
                said = Landed(row.decision, file.file, file.delivered_at)
                found.setdefault(row.decision.decision_id, said)
    return list(found.values())


def listing(lake: Lake, *, is_all: bool = False) -> list[dict[str, Any]]:
    """Decisions in force in order of receipt, values masked; with ``is_all`` the others too."""
    known = landed(lake)
    in_force = {one.decision_id for one in standing(one.entry for one in known)}
    revoked = {one.decision.revokes: one.decision.decision_id for one in known}
    clear, released = _published(lake)
    rows = []
    for one in known:
        said = one.decision
        state = "in force" if said.decision_id in in_force else "set aside"
        if said.decision_id in revoked:
            state = f"revoked by {revoked[said.decision_id]}"
        if said.kind == "revoke":
            state = f"revokes {said.revokes}"
        if is_all or state == "in force":
            a, b = (_shown(keyed, clear) for keyed in (said.a, said.b))
            rows.append(
                {
                    "decision_id": said.decision_id,
                    "kind": said.kind,
                    "a": a,
                    "b": b,
                    "reason": said.reason,
                    "author": said.author,
                    "decided_at": said.decided_at,
                    "state": state,
                    "released": said.decision_id in released,
                }
            )
    return rows


def release_date(one: Landed, programme: Programme) -> date:
    """The business date whose cut is the first after the decision was delivered."""
    before = one.delivered_at - timedelta(hours=programme.cut_hours)
    return business_date(before, programme.zone)


def _unreadable(number: int, reason: str, detail: str) -> None:
    raise InputError(
        "a file of decisions cannot be read",
        expected="every decision that was landed: a new one may contradict it",
        got=detail,
        todo="bring the delivered bytes back",
    )


def _time(lake: Lake, known: Sequence[Landed], at: datetime | None) -> datetime:
    """When a decision counts as made: never before another, so that each cut sees what entry saw.

    At any cut the decisions before it are then those of some moment at which nothing contradicted.
    """
    last = max((one.delivered_at for one in known), default=datetime.min.replace(tzinfo=UTC))
    if at is None:
        return max(datetime.now(UTC), last)
    not_before_newest(lake, at)
    if at < last:
        raise UsageError(
            "a later decision was landed already",
            expected=f"a time from {last}",
            got=str(at),
            where="--delivered-at",
            todo="leave it out: the decision then counts as made now",
        )
    return at.astimezone(UTC)


def _text(text: str, option: str) -> str:
    clean = " ".join(text.encode("utf-8", "replace").decode().split())
    if not clean:
        raise UsageError(
            "a decision needs a reason and an author",
            expected="who decided and why, for those who read it later",
            got=f"an empty {option}",
            where=option,
        )
    return clean


def _refuse(known: Sequence[Landed], new: Landed) -> None:
    if new.decision.kind == "revoke":
        _refuse_revoke(known, new)
        return
    by_id = {one.decision.decision_id: one for one in known}
    in_force = standing(one.entry for one in known)
    for one in in_force:
        if one.says == new.entry.says:
            raise NothingToDo("nothing to do: decided already", got=str(by_id[one.decision_id]))
    if new.decision.decision_id in by_id:
        raise UsageError(
            "this decision was taken back within the same instant",
            expected="a later time",
            got=str(new.delivered_at),
            where="--delivered-at",
        )
    others = [by_id[one.decision_id] for one in contradicted(in_force, new.entry)]
    if others:
        raise UsageError(
            f"this {new.decision.kind} contradicts a decision in force",
            expected="decisions that can all be true at once",
            got="; ".join(map(str, others)),
            todo=f"if that one is wrong: guiyi identity revoke {others[0].decision.decision_id}",
        )


def _refuse_revoke(known: Sequence[Landed], new: Landed) -> None:
    target = new.decision.revokes
    found = [one for one in known if one.decision.decision_id == target]
    before = [one for one in known if one.decision.revokes == target]
    if not found:
        got, todo = f"{target}, which nobody entered", "see `guiyi identity decisions`"
    elif found[0].decision.kind == "revoke":
        got, todo = str(found[0]), "enter the decision again that it took back"
    elif before:
        got, todo = f"{found[0]}; taken back by {before[0]}", ""
    else:
        return
    raise UsageError(
        "there is nothing to revoke", expected="the id of a decision in force", got=got, todo=todo
    )


def _published(lake: Lake) -> tuple[dict[int, Identifier], set[str]]:
    """Identifiers that decisions name, by key, and ids of decisions, of the newest release."""
    if not lake.releases():
        return {}, set()
    wanted = {key for one in landed(lake) for key in one.decision.keys}
    with lake.reader() as session:
        found = session.rows(
            "SELECT type, value, identifier_key FROM identifiers "
            f"WHERE identifier_key IN ({', '.join(map(str, sorted(wanted))) or 'NULL'})"
        )
        released = session.rows("SELECT decision_id FROM identity_decisions")
    clear = [Identifier(str(type), str(value), int(str(key))) for type, value, key in found]
    return {one.identifier_key: one for one in clear}, {str(one) for (one,) in released}


def _shown(keyed: Keyed | None, clear: dict[int, Identifier]) -> str | None:
    if keyed is None:
        return None
    seen = clear.get(keyed.identifier_key)
    return _masked(seen) if seen else f"{keyed.type} (never seen)"


def _masked(one: Identifier) -> str:
    return f"{one.type} {mask(one.type, one.value)}"
