"""Who is in an audience."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lake import conf
from lake.draft import Draft
from pipelines.audiences import check, select, version
from pipelines.tags import declared, publish_tags, refresh_partials
from schemas.audiences import Audience
from schemas.errors import ConfigError
from schemas.tag_definitions import Tag, TagFile
from tests import tiny


@pytest.fixture(scope="session")
def tags() -> list[Tag]:
    return declared(conf.load("tags", TagFile))


def audience(query: dict[str, Any], name: str = "a") -> Audience:
    return msgspec.convert({"name": name, "label": name, "query": query}, Audience)


def leaf(field: str, value: Any, operator: str = "=") -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def put_tags(draft: Draft, tags: list[Tag]) -> None:
    cities = {"a": "北京", "b": "Beijing", "c": "上海", "d": ""}
    tiny.put_products(draft)
    tiny.put_persons(draft, {name: [n] for n, name in enumerate(cities)})
    stated = [{"city": city, "gender": "女"} for city in cities.values()]
    tiny.put_events(
        draft, [(n, tiny.at(1), "identified", said) for n, said in enumerate(stated)]
    )
    coffee = [(n, tiny.at(n + 1), f"o{n}-{k}", 5, "P-COFFEE") for n in range(4) for k in "ab"]
    tiny.put_lines(draft, [line for line in coffee if line[2] != "o1-b"])
    refresh_partials(draft, tags)
    publish_tags(draft, tags)


def members(draft: Draft, name: str) -> list[object]:
    query = f"SELECT one_id FROM audience_members WHERE audience = '{name}' ORDER BY one_id"
    return [row[0] for row in draft.session.rows(query)]


@pytest.mark.rule("CDP-7")
def test_active_women_in_beijing_who_like_coffee(tmp_path: Path, tags: list[Tag]) -> None:
    (declared_audience,) = (
        one for one in conf.load("audiences", Audience) if one.name == "beijing_coffee_women"
    )
    with tiny.tiny_draft(tmp_path) as draft:
        put_tags(draft, tags)
        (summary,) = select(draft, [declared_audience], tags)
        found = members(draft, "beijing_coffee_women")
        by_hand = draft.session.rows(
            "SELECT one_id FROM tag_values WHERE city = '北京' AND likes_coffee "
            "AND is_active_7d AND gender = 'female'"
        )
    # b has one coffee basket, c lives elsewhere, d says nowhere.
    assert found == ["a"]
    assert by_hand == [("a",)]
    assert (summary.count_members, summary.version) == (1, version(declared_audience))


def test_all_audiences_of_a_date_are_written_and_written_again(
    tmp_path: Path, tags: list[Tag]
) -> None:
    here = audience(leaf("city", "Beijing"), "here")
    elsewhere = audience({"combinator": "and", "not": True, "rules": [leaf("city", "北京")]}, "no")
    with tiny.tiny_draft(tmp_path) as draft:
        put_tags(draft, tags)
        for _ in range(2):
            summaries = select(draft, [here, elsewhere], tags)
            assert members(draft, "here") == ["a", "b"]
            # The city of d is unknown, and so is whether it is not Beijing.
            assert members(draft, "no") == ["c"]
    assert [summary.count_members for summary in summaries] == [2, 1]


def test_an_unknown_tag_a_value_that_never_occurs_and_a_wrong_type_are_named(
    tags: list[Tag],
) -> None:
    wrong = {
        "there is no tag 'town'": leaf("town", "北京"),
        "a value that never occurs": leaf("gender", "femal"),
        "a value of the wrong type": leaf("orders_count_90d", "many"),
    }
    for message, query in wrong.items():
        with pytest.raises(ConfigError, match=message) as raised:
            check(audience(query, "wrong"), tags, [])
        assert "audience wrong" in str(raised.value)
        assert raised.value.expected
        assert raised.value.got


def test_two_audiences_of_one_name_are_refused(tmp_path: Path, tags: list[Tag]) -> None:
    twice = [audience(leaf("city", "北京"))] * 2
    with (
        tiny.tiny_draft(tmp_path) as draft,
        pytest.raises(ConfigError, match="two audiences are called 'a'"),
    ):
        select(draft, twice, tags)


def test_the_version_follows_the_rules_and_not_the_ids_of_the_editor() -> None:
    plain = audience({"combinator": "and", "rules": [leaf("city", "北京")]})
    boxed = leaf("city", "北京") | {"id": "r"}
    with_ids = audience({"id": "g", "combinator": "and", "rules": [boxed]})
    other = audience({"combinator": "and", "rules": [leaf("city", "上海")]})
    assert version(plain) == version(with_ids) != version(other)


def test_audiences_on_others_are_written_after_them(tmp_path: Path, tags: list[Tag]) -> None:
    here = audience(leaf("city", "Beijing"), "z_here")
    rules = [{"audience": "z_here"}, leaf("likes_coffee", True)]
    both = audience({"combinator": "and", "rules": rules}, "a_both")
    turned = {"combinator": "and", "not": True, "rules": [{"audience": "z_here"}]}
    nobody = audience(turned, "m_not")
    with tiny.tiny_draft(tmp_path) as draft:
        put_tags(draft, tags)
        summaries = select(draft, [both, nobody, here], tags, zone=tiny.ZONE)
        assert members(draft, "a_both") == ["a"]
        assert members(draft, "z_here") == ["a", "b"]
        # An audience is never unknown: d, who says no city, is not in it.
        assert members(draft, "m_not") == ["c", "d"]
        by_query = draft.session.rows(summaries[0].sql)
    assert [one.audience for one in summaries] == ["a_both", "m_not", "z_here"]
    assert [str(one_id) for one_id, _ in by_query] == ["a"]
