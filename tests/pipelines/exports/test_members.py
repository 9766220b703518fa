"""What leaves, for whom, and what the manifest counts."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake import exports
from lake.draft import Draft
from pipelines.audiences import export, select
from pipelines.audiences.export import Built
from pipelines.tags import declared, publish_tags, refresh_partials
from schemas import catalog
from schemas.audiences import Audience
from schemas.errors import ConfigError
from schemas.exports import Export
from schemas.tag_definitions import Tag, TagFile
from tests import tiny

PHONES = {"a": "+8613800138000", "b": "+8613800138001", "d": "+8613800138003"}
EVERYBODY = msgspec.convert(
    {"name": "all", "label": "all", "query": {"field": "spent", "operator": ">=", "value": 0}},
    Audience,
)


@pytest.fixture(scope="session")
def tags() -> list[Tag]:
    spent = tiny.tag(
        "spent", from_="order_lines", measure="sum", field="paid_minor", window="ever"
    )
    return declared([TagFile([spent])])


def recipe(**fields: Any) -> Export:
    plain = {"name": "x", "audience": "all", "formats": ["parquet", "csv"], "channel": "sms"}
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
    refresh_partials(draft, tags)
    publish_tags(draft, tags)
    select(draft, [EVERYBODY], tags)


def built(
    root: Path,
    tags: list[Tag],
    statements: list[dict[str, Any]],
    chosen: tuple[str, ...] = (),
    stays: tuple[dict[str, Any], ...] = (),
) -> Built:
    with tiny.tiny_draft(root) as draft:
        put(draft, tags, statements, list(stays))
        return export.build(draft.session, recipe(tags=list(chosen)), tiny.DAY, tags, "v1")


def granted(*bundles: int) -> list[dict[str, Any]]:
    return [stated(n, bundle, "granted", 5) for n, bundle in enumerate(bundles)]


def hashed(phone: str) -> str:
    return hashlib.sha256(phone.encode()).hexdigest()


def phones(export_: Built) -> list[str]:
    return export_.files["phones.csv"].decode().splitlines()[1:]


def test_the_hash_is_sha256_of_the_e164_number(tmp_path: Path, tags: list[Tag]) -> None:
    assert phones(built(tmp_path, tags, granted(0))) == [hashed("+8613800138000")]


def test_only_who_allowed_it_leaves_and_the_rest_is_counted(
    tmp_path: Path, tags: list[Tag]
) -> None:
    statements = [
        *granted(0, 2),
        stated(10, 1, "granted", 9),
        stated(11, 1, "withdrawn", 3),
    ]
    made = built(tmp_path, tags, statements, chosen=("spent",))
    assert made.manifest["counts"] == {
        "members": 4, "without_consent": 2, "without_phone": 1, "exported": 1,
    }
    rows = pq.read_table(io.BytesIO(made.files["members.parquet"])).to_pylist()
    assert rows == [
        {"one_id": "a", "person_no": 0, "spent": 100}, {"one_id": "c", "person_no": 2, "spent": 102}
    ]


@pytest.mark.parametrize(
    ("statements", "leaves"),
    [
        ([stated(0, 0, "granted", 5, channel="any")], True),
        ([stated(0, 0, "granted", 5, channel="push")], False),
        ([stated(0, 0, "granted", 5, purpose="marketing")], False),
        ([stated(0, 0, "granted", 5), stated(1, 0, "withdrawn", 4, channel="any")], False),
        ([stated(0, 0, "withdrawn", 5), stated(1, 0, "granted", 4)], True),
        ([], False),
    ],
)
def test_the_latest_statement_for_the_purpose_and_channel_decides(
    tmp_path: Path, tags: list[Tag], statements: list[dict[str, Any]], leaves: bool
) -> None:
    assert bool(phones(built(tmp_path, tags, statements))) is leaves


def test_a_shared_phone_never_leaves(tmp_path: Path, tags: list[Tag]) -> None:
    made = built(tmp_path, tags, granted(3))
    assert phones(made) == []
    assert made.manifest["counts"]["without_phone"] == 1


@pytest.mark.parametrize(
    ("begun", "leaves"),
    [
        (None, "+8613800138000"),  # seen 9 days ago, the other 20
        (8, "+8613900139000"),  # never seen since it is theirs, the other 20 days ago
    ],
)
def test_of_several_phones_the_one_seen_last_within_its_stay_leaves(
    tmp_path: Path, tags: list[Tag], begun: int | None, leaves: str
) -> None:
    stays = (held(0, "a", "handover", begun=begun), held(3, "a", "sole"))
    assert phones(built(tmp_path, tags, granted(0), stays=stays)) == [hashed(leaves)]


def test_of_phones_never_seen_on_ones_own_events_the_greatest_leaves(
    tmp_path: Path, tags: list[Tag]
) -> None:
    stays = (held(1, "b", "sole"), held(2, "b", "sole"))
    assert phones(built(tmp_path, tags, granted(1), stays=stays)) == [hashed(PHONES["d"])]


@pytest.mark.parametrize(("ended", "leaves"), [(0, False), (-1, True)])
def test_a_phone_leaves_up_to_the_last_day_of_its_stay(
    tmp_path: Path, tags: list[Tag], ended: int, leaves: bool
) -> None:
    stays = (held(0, "a", "handover", ended=ended),)
    assert bool(phones(built(tmp_path, tags, granted(0), stays=stays))) is leaves


def test_no_clear_value_is_in_any_file(tmp_path: Path, tags: list[Tag]) -> None:
    made = built(tmp_path, tags, granted(0, 1, 2, 3), chosen=("spent",))
    whole = b"".join(made.files.values()) + str(made.manifest).encode()
    assert all(phone[1:].encode() not in whole for phone in PHONES.values())


def test_the_manifest_names_the_recipe_and_the_sum_of_every_file(
    tmp_path: Path, tags: list[Tag]
) -> None:
    made = built(tmp_path, tags, granted(0, 1))
    manifest = made.manifest
    assert manifest["recipe"]["hashing"] == "sha256_e164"
    assert (manifest["audience"], manifest["audience_version"]) == ("all", "v1")
    assert manifest["business_date"] == "2017-06-30"
    assert {file["name"]: file["rows"] for file in manifest["files"]} == {
        "members.parquet": 2, "phones.csv": 2,
    }
    for file in manifest["files"]:
        assert file["sha256"] == hashlib.sha256(made.files[file["name"]]).hexdigest()


def test_the_same_members_give_the_same_version(tmp_path: Path, tags: list[Tag]) -> None:
    first = built(tmp_path / "1", tags, granted(0, 1))
    assert first.version == built(tmp_path / "2", tags, granted(0, 1)).version
    assert first.version != built(tmp_path / "3", tags, granted(0)).version


@pytest.mark.rule("CDP-8")
def test_the_same_version_of_an_audience_is_handed_over_once(
    tmp_path: Path, tags: list[Tag]
) -> None:
    root = tmp_path / "exports"
    for number in range(2):
        made = built(tmp_path / str(number), tags, granted(0, 1))
        assert exports.has(root, "x", made.version) is (number == 1)
        folder = exports.write(root, "x", made.version, made.files, {"handed over": number})
    assert [path.name for path in (root / "x").iterdir()] == [made.version]
    assert json.loads((folder / "manifest.json").read_text()) == {"handed over": 0}
    other = built(tmp_path / "other", tags, granted(0))
    assert not exports.has(root, "x", other.version)


def test_a_tag_that_is_not_there_is_named(tmp_path: Path, tags: list[Tag]) -> None:
    with pytest.raises(ConfigError, match="there is no tag 'shoe_size'(.|\n)*at: export x"):
        built(tmp_path, tags, [], chosen=("shoe_size",))
