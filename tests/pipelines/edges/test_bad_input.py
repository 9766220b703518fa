"""Bad edges: refused with a reason and counted, or said with the file before a row is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.edges import Resolved, resolve_edges, resolve_to
from schemas.errors import ConfigError, GuiyiError, InputError, NotFoundError, UsageError
from tests.pipelines.edges.made import KEY, PHONE, edges, groups, holders

GOOD = ("user_id", "u1", "phone", PHONE)
HUGE = "x" * 10_000_000


def refused(found: Resolved) -> list[tuple[Any, ...]]:
    return [(row["reason"], row["count"]) for row in found.refused.to_pylist()]


BAD = [
    ((None, "u", "phone", PHONE), "null"),
    (("user_id", None, "phone", PHONE), "null"),
    (("user_id", "u", "phone", ""), "empty"),
    (("", "u", "phone", PHONE), "empty"),
    (("user_id", HUGE, "phone", PHONE), "too_long"),
    (("user_id", "é" * 257, "phone", PHONE), "too_long"),
    (("user_id", "a\0b", "phone", PHONE), "nul_byte"),
    (("user_id\0", "a", "phone", PHONE), "nul_byte"),
    (("phone", PHONE, "phone", PHONE), "same_on_both_sides"),
]


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_a_row_that_is_no_edge_is_refused_with_its_reason(
    row: tuple[Any, ...], reason: str
) -> None:
    found = resolve_edges(edges([GOOD, row, row]), rules="none")
    assert refused(found) == [(reason, 2)]
    rows = found.manifest["rows"]
    assert (rows["in"], rows["taken"], rows["refused"]) == (3, 1, 2)
    assert rows["refused_by_reason"] == {reason: 2}
    assert groups(found) == {frozenset([("user_id", "u1"), ("phone", PHONE)])}
    assert all(len(value or "") <= 256 for name in KEY for value in found.refused[name].to_pylist())


def test_rules_refuse_the_same_rows() -> None:
    rows = [GOOD, *(row for row, _ in BAD)]
    by_rules, plain = resolve_edges(edges(rows)), resolve_edges(edges(rows), rules="none")
    assert by_rules.refused.equals(plain.refused)
    assert by_rules.manifest["rows"] == plain.manifest["rows"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("user_id", "\u200b \u00a0", "phone", PHONE), "nothing_visible"),
        (("user_id", "u", "phone", "12"), "not_a_phone"),
        (("user_id", "u", "email", "nobody"), "not_an_email"),
        (("phone", PHONE, "phone", "138 0000 0001"), "same_on_both_sides"),
    ],
)
def test_what_has_no_normal_form_is_refused_under_rules(row: tuple[Any, ...], reason: str) -> None:
    found = resolve_edges(edges([GOOD, row]))
    assert refused(found) == [(reason, 1)]
    assert set(holders(found)) == {("user_id", "u1"), ("phone", PHONE)}
    assert resolve_edges(edges([GOOD, row]), rules="none").manifest["rows"]["refused"] == 0


def test_256_characters_are_not_too_long() -> None:
    found = resolve_edges(edges([("user_id", "é" * 256, "phone", PHONE)]))
    assert found.manifest["rows"]["refused"] == 0


def test_a_phone_of_another_country_is_known_by_its_code() -> None:
    found = resolve_edges(edges([("user_id", "u", "phone", "+1 415 555 2671")]))
    assert ("phone", "+14155552671") in holders(found)


def test_bytes_that_are_no_text_are_refused() -> None:
    broken = pa.array([b"u\xff", b"u1"]).view(pa.string())
    columns = [pa.array(["user_id"] * 2), broken, pa.array(["phone"] * 2), pa.array([PHONE] * 2)]
    found = resolve_edges(pa.table(dict(zip(KEY, columns, strict=True))))
    assert refused(found) == [("not_utf8", 1)]


def test_an_unknown_type_is_refused_where_the_rules_list_theirs(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text("types: [{type: user_id}, {type: phone}]\n")
    found = resolve_edges(edges([GOOD, ("user_id", "u1", "shoe", "42")]), rules=path)
    assert refused(found) == [("unknown_type", 1)]


@pytest.mark.parametrize(
    ("extra", "value", "reason"),
    [
        ("count", 0, "count_not_a_positive_whole_number"),
        ("probability", 1.5, "probability_not_between_0_and_1"),
        ("probability", float("nan"), "probability_not_between_0_and_1"),
        ("source", "a\0", "nul_byte"),
    ],
)
def test_an_optional_column_with_nonsense_refuses_its_row(
    extra: str, value: Any, reason: str
) -> None:
    good = {"count": 1, "probability": None, "source": None}[extra]
    found = resolve_edges(edges([(*GOOD, good), (*GOOD, value)], extra), rules="none")
    assert refused(found) == [(reason, 1)]


def test_a_last_sight_before_the_first_is_refused() -> None:
    late, soon = date(2017, 1, 2), date(2017, 1, 1)
    other = ("phone", PHONE, "user_id", "u2", late, soon)
    rows = [(*GOOD, soon, late), other]
    found = resolve_edges(edges(rows, "first_seen", "last_seen"), rules="none")
    assert refused(found) == [("last_seen_before_first_seen", 1)]
    assert "u2" not in found.identities["value"].to_pylist()


def test_a_type_that_is_misspelt_escapes_no_limit() -> None:
    rows = [GOOD, ("User_ID", "u2", "phone", PHONE), ("user_id ", "u3", "phone", PHONE)]
    found = resolve_edges(edges(rows))
    assert refused(found) == [("misspelt_type", 1)] * 2


def test_nothing_is_written_where_every_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="every row was refused"):
        resolve_to(edges([("User_ID", "u2", "phone", PHONE)]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_of_somebody_else_beside_a_result_are_not_replaced(tmp_path: Path) -> None:
    resolve_to(edges([GOOD]), tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="the place for the result is taken"):
        resolve_to(edges([GOOD]), tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


def test_repeated_edges_are_one_link_and_counted() -> None:
    found = resolve_edges(edges([(*GOOD, 2), ("phone", PHONE, "user_id", "u1", 3)], "count"))
    assert found.links["count"].to_pylist() == [5]
    assert found.manifest["rows"]["repeated"] == 1


def test_a_hundred_files_of_which_one_is_cut_are_refused_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "edges"
    folder.mkdir()
    for number in range(100):
        row = ("user_id", f"u{number}", "email", f"e{number}@mail.example")
        pq.write_table(edges([row]), folder / f"part-{number:03}.parquet")
    cut = folder / "part-042.parquet"
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"nothing was written(.|\n)*part-042\.parquet"):
        resolve_to(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edges"]
    cut.unlink()
    assert resolve_to(folder, tmp_path / "out", rules="none")["persons"]["count"] == 99


def test_damage_in_the_midst_of_a_file_leaves_nothing_behind(tmp_path: Path) -> None:
    rows = [("user_id", f"u{number}", "device_id", f"d{number}") for number in range(5000)]
    path = tmp_path / "edges.parquet"
    pq.write_table(edges(rows), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4000:9000] = b"\xff" * 5000
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"edges\.parquet"):
        resolve_to(path, tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["edges.parquet"]


def write_nothing(path: Path) -> None:
    path.write_bytes(b"")


def write_no_rows(path: Path) -> None:
    pq.write_table(edges([]), path)


def write_without_a_column(path: Path) -> None:
    pq.write_table(edges([GOOD]).drop_columns(["value_b"]), path)


def write_a_number(path: Path) -> None:
    pq.write_table(edges([GOOD]).set_column(1, "value_a", pa.array([7])), path)


def write_a_text_as_date(path: Path) -> None:
    pq.write_table(edges([GOOD]).append_column("first_seen", pa.array(["2017-01-01"])), path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_nothing, r"expected: a whole Parquet file(.|\n)*at: .*edges\.parquet"),
        (write_without_a_column, r"without the column value_b\n  expected: type_a, value_a"),
        (write_a_number, r"value_a has the wrong type\n  expected: VARCHAR\n  got: int64"),
        (write_a_text_as_date, r"first_seen has the wrong type\n  expected: DATE or TIMESTAMP"),
    ],
)
def test_a_file_of_another_kind_says_what_is_expected(
    tmp_path: Path, write: Callable[[Path], None], message: str
) -> None:
    write(tmp_path / "edges.parquet")
    with pytest.raises(InputError, match=message):
        resolve_to(tmp_path / "edges.parquet", tmp_path / "out")


def test_a_file_without_rows_is_a_result_without_persons(tmp_path: Path) -> None:
    write_no_rows(tmp_path / "edges.parquet")
    assert resolve_to(tmp_path / "edges.parquet", tmp_path / "out")["rows"]["in"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "types:\n  - {type: a, priority: 1}\n  - {type: b, priority: 1}\n",
            r"b has the priority 1 of a\n  expected: .*free is 2(.|\n)*rules\.yml:3",
        ),
        (
            "types:\n  - type: a\n    holders: [{of: c, at_most: 2}]\n",
            r"the type 'c' is not listed\n  expected: one of a\n(.|\n)*rules\.yml:3",
        ),
        (
            "types:\n  - type: a\n    per_person:\n      - {at_most: 0}\n",
            r"at_most(.|\n)*1 or more(.|\n)*rules\.yml:4",
        ),
    ],
)
def test_wrong_rules_are_said_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rules.yml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        resolve_edges(edges([GOOD]), rules=tmp_path / "rules.yml")


def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = [
        {"edges": tmp_path / "none.parquet"},
        {"edges": tmp_path},
        {"edges": edges([GOOD]), "rules": tmp_path / "none.yml"},
        {"edges": edges([GOOD]), "decisions": tmp_path / "none.jsonl"},
        {"edges": edges([GOOD]), "previous": tmp_path / "none"},
    ]
    for call in calls:
        with pytest.raises(NotFoundError):
            resolve_edges(**call)


def test_the_result_may_not_lie_among_the_edges(tmp_path: Path) -> None:
    write_no_rows(tmp_path / "edges.parquet")
    with pytest.raises(UsageError, match="would lie among the edges"):
        resolve_to(tmp_path, tmp_path / "out")


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match="taken"):
        resolve_to(_file(tmp_path), out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_an_earlier_result_is_replaced_and_kept_where_the_new_one_fails(tmp_path: Path) -> None:
    path, out = _file(tmp_path), tmp_path / "out"
    resolve_to(path, out, rules="none")
    before = (out / "manifest.json").read_bytes()
    pq.write_table(edges([("a", "1", "b", "2")]), path)
    resolve_to(path, out, rules="none")
    after = (out / "manifest.json").read_bytes()
    assert before != after
    path.write_bytes(b"no")
    with pytest.raises(GuiyiError):
        resolve_to(path, out)
    assert (out / "manifest.json").read_bytes() == after


def _file(folder: Path) -> Path:
    pq.write_table(edges([GOOD]), folder / "edges.parquet")
    return folder / "edges.parquet"
