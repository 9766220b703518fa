"""A receiver that applies the full version and then every delta has exactly the current full."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake import exports
from lake.engines.duckdb import Session
from pipelines.exports import Asked, Given, write
from schemas import catalog
from schemas.exports import Export

DAY = date(2017, 6, 30)
AT = datetime(2017, 6, 1, tzinfo=UTC)
NAMES = ["a", "b", "c", "d", "e"]


def show(session: Session, name: str, rows: list[dict[str, Any]]) -> None:
    schema = catalog.table(name).schema
    whole = [dict.fromkeys(schema.names) | row for row in rows]
    session.execute(f"DROP VIEW IF EXISTS {name}")
    session.register(name, pa.Table.from_pylist(whole, pa.schema([*(
        pa.field(field.name, field.type) for field in schema
    )])))


def world(session: Session) -> None:
    """Five persons who allow everything, each with a phone of their own."""
    show(session, "consents", [
        {"bundle_id": n, "purpose": "export", "channel": "any", "status": "granted",
         "occurred_at": AT, "business_date": AT.date()} for n in range(5)
    ])
    show(session, "bundle_persons", [
        {"bundle_id": n, "one_id": name, "valid_from": date(1, 1, 1), "valid_to": date(9999, 1, 1)}
        for n, name in enumerate(NAMES)
    ])
    show(session, "tenures", [
        {"identifier_key": n, "tenure": 0, "type": "phone", "one_id": name, "kind": "sole",
         "received_at": AT} for n, name in enumerate(NAMES)
    ])
    for name in ("bundles", "sightings"):
        show(session, name, [])


State = dict[int, tuple[int, str | None]]
"""Members by number: which phone they have now, and a tag."""
states = st.lists(
    st.dictionaries(
        st.integers(0, 4),
        st.tuples(st.integers(0, 2), st.sampled_from([None, "", "x", 'a "b", c', "two\nlines"])),
    ),
    min_size=1, max_size=4,
)


def put(session: Session, state: State, day: date) -> str:
    """The state's phones and tags; the query that gives its members."""
    show(session, "identifiers", [
        {"identifier_key": n, "type": "phone", "value": f"+8613800{phone}{n:05d}"}
        for n, (phone, _) in state.items()
    ])
    rows = [{"business_date": day, "person_no": n, "band": tag} for n, (_, tag) in state.items()]
    session.execute("DROP VIEW IF EXISTS tag_values")
    schema = pa.schema(
        [("business_date", pa.date32()), ("person_no", pa.int64()), ("band", pa.string())]
    )
    session.register("tag_values", pa.Table.from_pylist(rows, schema))
    listed = ", ".join(f"('{NAMES[n]}', CAST({n} AS BIGINT))" for n in state)
    members = f"SELECT * FROM (VALUES {listed}) AS m(one_id, person_no)"
    return members if state else "SELECT 'a' AS one_id, CAST(0 AS BIGINT) AS person_no WHERE false"


def rows_of(folder: Path, form: str) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for path in sorted(folder.glob("part-*")):
        if form == "parquet":
            found += [tuple(row.values()) for row in pq.read_table(path).to_pylist()]
        else:
            with open(path, newline="") as file:
                found += [tuple(row) for row in list(csv.reader(file))[1:]]
    return found


def version(
    session: Session, root: Path, recipe: Export, members: str, day: date, chain: list[Given]
) -> Path:
    at = datetime(day.year, day.month, day.day, 19, tzinfo=UTC)
    asked = Asked(recipe, "v1", day, at, 1, "base" if chain else None)
    name = f"{asked.version}-{'delta' if chain else 'full'}"
    with exports.writing(root, "x", name) as draft:
        return draft.finish(write(session, draft, asked, members, chain))


@pytest.mark.rule("CDP-8")
@pytest.mark.parametrize("form", ["csv", "parquet"])
@settings(max_examples=8)
@given(given_states=states)
def test_full_and_deltas_together_are_the_current_full(
    tmp_path_factory: pytest.TempPathFactory, form: str, given_states: list[State]
) -> None:
    root, chain = tmp_path_factory.mktemp("delta"), list[Given]()
    has = Counter[tuple[object, ...]]()
    recipe = msgspec.convert(
        {"name": "x", "audience": "all", "format": form, "channel": "any", "tags": ["band"],
         "identifiers": [{"type": "phone", "recipe": "sha256_e164"}], "delta": True}, Export,
    )
    with Session(root / "spill") as session:
        world(session)
        for number, state in enumerate(given_states):
            day = DAY + timedelta(number)
            members = put(session, state, day)
            folder = version(session, root, recipe, members, day, chain)
            if chain:
                changes = rows_of(folder, form)
                assert [row[0] for row in changes] == sorted(
                    (str(row[0]) for row in changes), reverse=True
                )
                has.subtract(row[1:] for row in changes if row[0] == "removed")
                assert all(count >= 0 for count in has.values())
                has.update(row[1:] for row in changes if row[0] == "added")
                full = version(session, root, recipe, members, day, [])
            else:
                has.update(rows_of(folder, form))
                full = folder
            assert +has == Counter(rows_of(full, form))
            paths = tuple(str(path) for path in sorted(folder.glob("part-*")))
            chain.append(Given(paths, form, bool(chain)))


def test_a_delta_counts_its_changes_and_names_its_base(tmp_path: Path) -> None:
    recipe = msgspec.convert(
        {"name": "x", "audience": "all", "format": "csv", "channel": "any", "person": ["one_id"],
         "delta": True}, Export,
    )
    with Session(tmp_path / "spill") as session:
        world(session)
        members = put(session, {0: (0, None), 1: (0, None)}, DAY)
        first = version(session, tmp_path, recipe, members, DAY, [])
        members = put(session, {1: (0, None), 2: (0, None)}, DAY)
        chain = [Given((str(first / "part-00000.csv"),), "csv", False)]
        second = version(session, tmp_path, recipe, members, DAY, chain)
    lines = (second / "part-00000.csv").read_text()
    assert lines == "change,one_id\nremoved,a\nadded,c\n"
    manifest = msgspec.json.decode((second / "manifest.json").read_bytes())
    assert (manifest["kind"], manifest["base"]) == ("delta", "base")
    assert manifest["changes"] == {"added": 1, "removed": 1}
    assert manifest["counts"]["exported"] == 2
