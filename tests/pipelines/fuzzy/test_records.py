from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from lake.engines.duckdb import Session
from pipelines.fuzzy.records import COMPARED, RECORDS, lay_out, names
from schemas.errors import GuiyiError, InputError, UsageError
from schemas.fuzzy import Matching

SETTINGS: dict[str, Any] = {
    "id": {"column": "no", "type": "crm"},
    "compare": [
        {"column": "name", "kind": "name"},
        {"column": "born", "kind": "date_of_birth"},
        {"column": "zip", "kind": "postcode"},
    ],
    "block": [["born"], ["name"], ["zip"]],
    "certain": [["name", "born"]],
}
ROW = {"no": "2", "name": " José  GARCÍA ", "born": "19560409", "zip": "tq13 8DF"}
OTHER = {"no": "1", "name": "", "born": "1956-04-09 00:00:00", "zip": None}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(tmp_path) as open_session:
        yield open_session


def laid_out(session: Session, rows: list[dict[str, Any]], **changes: Any) -> int:
    schema = pa.schema([(name, pa.string()) for name in [*ROW, "t", "seen"]])
    session.register("source", pa.Table.from_pylist(rows, schema))
    settings = msgspec.convert(SETTINGS | changes, Matching)
    return lay_out(session, "source", settings, "crm.csv")


def test_records_are_numbered_by_their_ids_and_normalised(session: Session) -> None:
    assert laid_out(session, [ROW, OTHER]) == 2
    assert session.rows(f"SELECT record_no, type, value FROM {RECORDS} ORDER BY 1") == [
        (1, "crm", "1"),
        (2, "crm", "2"),
    ]
    assert session.rows(f"SELECT c0, c1, c2 FROM {COMPARED} ORDER BY record_no") == [
        (None, "1956-04-09", None),
        ("jose garcia", "1956-04-09", "tq138df"),
    ]


def test_what_is_no_date_stays_as_it_is_written(session: Session) -> None:
    laid_out(session, [ROW, OTHER | {"born": "about 1956"}])
    assert session.rows(f"SELECT c1 FROM {COMPARED} ORDER BY record_no")[0] == ("about 1956",)


def test_columns_get_names_that_no_spelling_breaks() -> None:
    odd = msgspec.convert(
        SETTINGS | {"compare": [{"column": 'na"me; 姓', "kind": "name"}]}, Matching
    )
    assert list(names(odd).values()) == ["c0", "c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("rows", "changes", "kind", "says"),
    [
        ([], {}, InputError, "there is no record"),
        ([ROW, ROW], {}, InputError, "1 repeated, first crm **** 2 times"),
        ([ROW, OTHER | {"no": " "}], {}, InputError, "1 of 2 rows without"),
        ([OTHER], {}, InputError, "the column 'name' is empty on every record"),
        ([ROW], {"seen_at": "made"}, UsageError, "the records have no column 'made'"),
        ([ROW | {"seen": "soon"}], {"seen_at": "seen"}, InputError, "1 others, first 'soon'"),
    ],
)
def test_wrong_records_are_said_with_the_file(
    session: Session,
    rows: list[dict[str, Any]],
    changes: dict[str, Any],
    kind: type[GuiyiError],
    says: str,
) -> None:
    with pytest.raises(kind) as caught:
        laid_out(session, rows, **changes)
    assert says in str(caught.value)
    assert caught.value.where == "crm.csv"


def test_an_id_may_stand_once_per_type(session: Session) -> None:
    by_type = {"id": {"column": "no", "type_column": "t"}}
    assert laid_out(session, [ROW | {"t": "a"}, ROW | {"t": "b"}], **by_type) == 2
