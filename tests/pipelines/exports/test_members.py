"""Who leaves, with which identifier, and what the manifest counts."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.dates import cut
from lake import exports
from lake.draft import Draft
from lake.engines.duckdb import quoted
from pipelines.exports import Asked, Given, check, write
from pipelines.tags import declared, publish_tags, refresh_partials
from schemas import catalog
from schemas.destinations import Destination
from schemas.errors import ConfigError
from schemas.exports import Export
from schemas.lists import LISTS
from schemas.tag_definitions import Tag, TagFile
from tests import tiny

PHONES = {"a": "+8613800138000", "b": "+8613800138001", "d": "+8613800138003"}
@pytest.fixture(scope="session")
def tags() -> list[Tag]:
    spent = tiny.tag(
        "spent", from_="order_lines", measure="sum", field="paid_minor", window="ever"
    )
    return declared([TagFile([spent])])


def recipe(**fields: Any) -> Export:
    plain = {
        "name": "x", "audience": "all", "format": "csv", "channel": "sms",
        "identifiers": [{"type": "phone", "recipe": "sha256_e164", "column": "phone"}],
    }
    return msgspec.convert(plain | fields, Export)


def stated(number: int, bundle: int, status: str, days_ago: int, **fields: str) -> dict[str, Any]:
    moment = tiny.local(tiny.at(days_ago))
    return {
        "source": "consents", "event_id": f"c{number}", "occurred_at": moment,
        "received_at": moment, "business_date": moment.date(), "bundle_id": bundle,
        "purpose": "export", "channel": "sms", "status": status,
    } | fields


def held(
    key: int, one_id: str | None, kind: str, *, begun: int | None = None, ended: int | None = None
) -> dict[str, Any]:
    """A stay that began and ended so many days ago."""
    first, after = (n if n is None else tiny.DAY - timedelta(n) for n in (begun, ended))
    return {
        "identifier_key": key, "tenure": 0, "type": "phone", "one_id": one_id, "kind": kind,
        "valid_from": first, "valid_to": after, "received_at": tiny.LONG_AGO, "source": "tests",
        "event_id": f"e{key}",
    }


def seen(draft: Draft, bundle: int, key: int, *days_ago: int) -> None:
    """A bundle of a phone alone, sighted so many days ago."""
    member = {"identifier_key": key, "type": "phone", "path": "p"}
    tiny.append(draft, "bundles", [{"bundle_id": bundle, "identifiers": [member]}])
    moments = [tiny.local(tiny.at(days)) for days in days_ago]
    rows = [
        {
            "bundle_id": bundle, "source": "tests", "business_date": moment.date(),
            "first_at": moment, "last_at": moment, "count": 1, "received_at": moment,
            "event_id": f"s{bundle}",
        }
        for moment in moments
    ]
    draft.session.register("sighted", pa.Table.from_pylist(rows, catalog.table("sightings").schema))
    draft.replace_dates("sightings", {m.date() for m in moments}, "SELECT * FROM sighted")
    draft.session.execute("DROP VIEW sighted")


def put(
    draft: Draft, tags: list[Tag], statements: list[dict[str, Any]], stays: list[dict[str, Any]]
) -> None:
    tiny.put_persons(draft, {"a": [0, 10], "b": [1], "c": [2], "d": [3]})
    tiny.put_lines(draft, [(n, tiny.at(2), f"o{n}", 100 + n) for n in range(4)])
    tiny.append(draft, "consents", statements)
    values = [*PHONES.values(), "+8613900139000"]
    tiny.append(
        draft,
        "identifiers",
        [{"identifier_key": n, "type": "phone", "value": value, "received_at": tiny.LONG_AGO}
         for n, value in enumerate(values)],
    )
    tiny.append(
        draft,
        "tenures",
        stays or [held(0, "a", "sole"), held(1, "b", "sole"), held(3, "a", "sole"),
                  held(2, None, "shared")],
    )
    seen(draft, 0, 0, 9)
    seen(draft, 10, 3, 20, 30)
    members = [
        {"business_date": tiny.DAY, "audience": "all", "version": "v1", "one_id": one_id,
         "person_no": number}
        for number, one_id in enumerate("abcd")
    ]
    draft.session.register(
        "members", pa.Table.from_pylist(members, catalog.table("audience_members").schema)
    )
    draft.replace_dates("audience_members", [tiny.DAY], "SELECT * FROM members")
    draft.session.execute("DROP VIEW members")
    if tags:
        refresh_partials(draft, tags)
        publish_tags(draft, tags)


class Made:
    """A version as it was written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())

    @property
    def lines(self) -> list[str]:
        parts = [self.folder / part["name"] for part in self.manifest["parts"]]
        return [line for path in parts for line in path.read_text().splitlines()[1:]]


def written(
    draft: Draft, root: Path, asked: Export, *, base: str | None = None,
    chain: tuple[Given, ...] = (), number: int = 1,
) -> Made:
    """What is written of the draft's audience."""
    at = cut(tiny.DAY, tiny.ZONE, 3)
    version = Asked(asked, "v1", tiny.DAY, at, number, base)
    members = f"SELECT one_id, person_no FROM audience_members WHERE audience = {quoted('all')}"
    with exports.writing(root / "exports", asked.name, version.version) as out:
        return Made(out.finish(write(draft.session, out, version, members, chain)))


def built(
    root: Path, statements: list[dict[str, Any]], stays: tuple[dict[str, Any], ...] = (),
    known: list[Tag] | None = None, /, **fields: Any,
) -> Made:
    with tiny.tiny_draft(root) as draft:
        put(draft, known or [], statements, list(stays))
        return written(draft, root, recipe(**fields))


def granted(*bundles: int) -> list[dict[str, Any]]:
    return [stated(n, bundle, "granted", 5) for n, bundle in enumerate(bundles)]


def hashed(phone: str) -> str:
    return hashlib.sha256(phone.encode()).hexdigest()


def listed(draft: Draft, key: int, change: str, days_ago: int) -> None:
    """A phone that was put on the list `complaints` or taken off."""
    moment = tiny.local(tiny.at(days_ago))
    row = {
        "list": "complaints", "identifier_key": key, "type": "phone", "change": change,
        "reason": "r", "author": "t", "changed_at": moment, "received_at": moment,
        "file": f"l{key}{change}",
    }
    tiny.append(draft, LISTS, [row])


def test_the_hash_is_sha256_of_the_e164_number(tmp_path: Path) -> None:
    assert built(tmp_path, granted(0)).lines == [hashed("+8613800138000")]


@pytest.mark.rule("CDP-8")
def test_everybody_is_counted_once_by_what_kept_them(tmp_path: Path) -> None:
    statements = [*granted(0, 2, 3), stated(10, 1, "granted", 9), stated(11, 1, "withdrawn", 3)]
    stays = (held(0, "a", "sole"), held(1, "b", "sole"), held(3, "d", "sole"),
             held(2, None, "shared"))
    with tiny.tiny_draft(tmp_path) as draft:
        put(draft, [], statements, list(stays))
        listed(draft, 3, "added", 2)
        listed(draft, 1, "added", 2)
        made = written(draft, tmp_path, recipe(suppress=["complaints"]))
    assert made.manifest["counts"] == {
        "members": 4, "exported": 1, "without_consent": 1, "suppressed": 1,
        "without_identifier": 1,
    }
    assert made.lines == [hashed(PHONES["a"])]


def test_who_was_taken_off_the_list_leaves_again(tmp_path: Path) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        put(draft, [], granted(0), [])
        listed(draft, 0, "added", 5)
        listed(draft, 0, "removed", 2)
        made = written(draft, tmp_path, recipe(suppress=["complaints"]))
    assert len(made.lines) == 1


def test_a_list_that_nobody_has_delivered_lets_nobody_leave(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no list 'complaints'(.|\n)*at: export x"):
        built(tmp_path, granted(0), suppress=["complaints"])


def test_members_leave_with_their_tags_and_without_identifiers(
    tmp_path: Path, tags: list[Tag]
) -> None:
    fields: dict[str, Any] = {
        "format": "parquet", "identifiers": [], "person": ["one_id", "person_no"],
        "tags": ["spent"],
    }
    made = built(tmp_path, granted(0, 2), (), tags, **fields)
    assert pq.read_table(made.folder / "part-00000.parquet").to_pylist() == [
        {"one_id": "a", "person_no": 0, "spent": 100}, {"one_id": "c", "person_no": 2, "spent": 102}
    ]
    assert made.manifest["counts"]["without_identifier"] == 0


@pytest.mark.parametrize(
    ("statements", "leaves"),
    [
        ([stated(0, 0, "granted", 5, channel="any")], True),
        ([stated(0, 0, "granted", 5, channel="push")], False),
        ([stated(0, 0, "granted", 5, purpose="marketing")], False),
        ([stated(0, 0, "granted", 5), stated(1, 0, "withdrawn", 4, channel="any")], False),
        ([stated(0, 0, "withdrawn", 5), stated(1, 0, "granted", 4)], True),
        ([stated(0, 0, "granted", 5), stated(1, 0, "withdrawn", -3)], True),
        ([], False),
    ],
)
def test_the_latest_statement_before_the_cut_for_purpose_and_channel_decides(
    tmp_path: Path, statements: list[dict[str, Any]], leaves: bool
) -> None:
    assert bool(built(tmp_path, statements).lines) is leaves


def test_a_shared_phone_never_leaves(tmp_path: Path) -> None:
    made = built(tmp_path, granted(3))
    assert made.lines == []
    assert made.manifest["counts"]["without_identifier"] == 1


@pytest.mark.parametrize(
    ("begun", "leaves"),
    [
        (None, "+8613800138000"),  # seen 9 days ago, the other 20
        (8, "+8613900139000"),  # never seen since it is theirs, the other 20 days ago
    ],
)
def test_of_several_phones_the_one_seen_last_within_its_stay_leaves(
    tmp_path: Path, begun: int | None, leaves: str
) -> None:
    stays = (held(0, "a", "handover", begun=begun), held(3, "a", "sole"))
    assert built(tmp_path, granted(0), stays).lines == [hashed(leaves)]


def test_of_phones_never_seen_on_ones_own_events_the_greatest_leaves(tmp_path: Path) -> None:
    stays = (held(1, "b", "sole"), held(2, "b", "sole"))
    assert built(tmp_path, granted(1), stays).lines == [hashed(PHONES["d"])]


def test_a_row_for_each_identifier_where_it_is_asked_for(tmp_path: Path) -> None:
    stays = (held(0, "a", "sole"), held(3, "a", "sole"), held(1, "b", "sole"))
    identifiers = [{"type": "phone", "recipe": "sha256_e164"},
                   {"type": "phone", "recipe": "tencent_md5"}]
    made = built(tmp_path, granted(0, 1), stays, each="all", identifiers=identifiers,
                 person=["person_no"])
    rows = [line.split(",") for line in made.lines]
    assert [row[:3] for row in rows] == [
        ["0", "phone", "sha256_e164"], ["0", "phone", "sha256_e164"],
        ["0", "phone", "tencent_md5"], ["0", "phone", "tencent_md5"],
        ["1", "phone", "sha256_e164"], ["1", "phone", "tencent_md5"],
    ]
    assert rows[4][3] == hashed(PHONES["b"])
    assert made.manifest["counts"]["exported"] == 2


def test_several_identifiers_stand_beside_each_other_in_a_row(tmp_path: Path) -> None:
    identifiers = [{"type": "phone", "recipe": "sha256_e164"},
                   {"type": "email", "recipe": "sha256_email"}]
    made = built(tmp_path, granted(1), identifiers=identifiers, person=["one_id"])
    assert made.manifest["columns"][1]["name"] == "phone_sha256_e164"
    assert made.lines == [f"b,{hashed(PHONES['b'])},"]


@pytest.mark.parametrize(("ended", "leaves"), [(0, False), (-1, True)])
def test_a_phone_leaves_up_to_the_last_day_of_its_stay(
    tmp_path: Path, ended: int, leaves: bool
) -> None:
    stays = (held(0, "a", "handover", ended=ended),)
    assert bool(built(tmp_path, granted(0), stays).lines) is leaves


def test_no_clear_value_is_in_any_file(tmp_path: Path) -> None:
    made = built(tmp_path, granted(0, 1, 2, 3), person=["one_id"])
    whole = b"".join(path.read_bytes() for path in made.folder.iterdir())
    assert all(phone[1:].encode() not in whole for phone in PHONES.values())


def test_the_manifest_names_recipe_versions_and_the_sum_of_every_part(tmp_path: Path) -> None:
    manifest = built(tmp_path, granted(0, 1), schema_version=3).manifest
    assert (manifest["audience"], manifest["audience_version"]) == ("all", "v1")
    assert (manifest["business_date"], manifest["release"]) == ("2017-06-30", 1)
    assert (manifest["schema_version"], manifest["kind"], manifest["base"]) == (3, "full", None)
    assert manifest["recipe"]["identifiers"][0]["recipe"] == "sha256_e164"
    assert manifest["columns"] == [{"name": "phone", "type": "VARCHAR"}]
    assert exports.faults(tmp_path / "exports", "x", manifest["version"]) == []


@pytest.mark.parametrize("fields", [{}, {"gzip": True}, {"format": "parquet"}])
def test_the_same_release_gives_the_same_bytes(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    first, again = (built(tmp_path / n, granted(0, 1), **fields) for n in ("1", "2"))
    assert first.manifest == again.manifest
    for path in first.folder.iterdir():
        assert path.read_bytes() == (again.folder / path.name).read_bytes()


def test_a_version_hangs_on_all_that_decides_over_the_files() -> None:
    def name(number: int = 1, base: str | None = None, **fields: Any) -> str:
        at = cut(tiny.DAY, tiny.ZONE, 3)
        return Asked(recipe(**fields), "v1", tiny.DAY, at, number, base).version

    others = [name(2), name(base="v0"), name(gzip=True), name(channel="any"),
              name(suppress=["complaints"]), name(schema_version=2)]
    assert name() == name(destinations=["outbox"])
    assert len({name(), *others}) == 1 + len(others)


OUTSIDE = msgspec.convert(
    {"name": "ads", "label": "ads", "folder": {"path": "ads"}}, Destination
)
INSIDE = msgspec.convert(
    {"name": "ours", "label": "ours", "inside": True, "folder": {"path": "ours"}}, Destination
)
RAW = [{"type": "phone", "recipe": "raw"}]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tags": ["shoe_size"]}, "there is no tag 'shoe_size'(.|\n)*at: export x"),
        ({"destinations": ["moon"]}, "there is no destination 'moon'(.|\n)*expected: one of ads"),
        ({"identifiers": RAW, "destinations": ["ours", "ads"]}, "clear values of phone would go"),
        ({"identifiers": [{"type": "openid", "recipe": "tencent_md5"}]},
         "tencent_md5 takes no openid(.|\n)*expected: one of imei(.|\n)*another recipe: raw"),
    ],
)
def test_an_export_that_cannot_be_right_is_refused_before_it_runs(
    tags: list[Tag], fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        check(recipe(**fields), tags, [OUTSIDE, INSIDE])


def test_clear_values_may_go_where_it_is_inside(tmp_path: Path) -> None:
    check(recipe(identifiers=RAW, destinations=["ours"]), [], [OUTSIDE, INSIDE])
    assert built(tmp_path, granted(1), identifiers=RAW).lines == [PHONES["b"]]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"identifiers": []}, "rows that say of nobody who it is"),
        ({"identifiers": [], "person": ["one_id"], "each": "all"}, "no identifier to give all of"),
        ({"identifiers": [*RAW, *RAW]}, "two columns are called 'phone_raw'"),
        ({"identifiers": [{"type": "phone", "recipe": "rot13"}]}, "Invalid enum value 'rot13'"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(
    fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        recipe(**fields)
