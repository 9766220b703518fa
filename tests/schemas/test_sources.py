"""Declarations of sources: what is wrong is named with file and line."""

from __future__ import annotations

import pytest

from domain import definitions
from lake import conf
from pipelines.ingest import parsing
from schemas.errors import ConfigError
from schemas.sources import Source
from tests.pipelines.ingest.feeds import PROGRAMME

GOOD = """\
name: tills
format: csv
occurred: at
columns:
  id: {required: true}
  at: {type: date, required: true}
  phone: {personal: true}
event_types:
  - {is: till_opened}
identifiers:
  - {type: phone, column: phone}
"""


def read(text: str) -> Source:
    return definitions.parse(text, "tills.yml", Source)


def test_a_new_feed_is_one_file() -> None:
    source = read(GOOD)
    assert source.columns["at"].type == "date"
    assert "FROM ingest_lines" in parsing.query(source, PROGRAMME)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format: csv", "format: csv\ncolour: red", r"unknown field `colour`(.|\n)*tills.yml:3"),
        ("format: csv", "format: xml", r"Invalid enum value 'xml'(.|\n)*tills.yml:2"),
        ("{type: date, ", "{type: day, ", r"Invalid enum value 'day'(.|\n)*tills.yml:5"),
        ("type: phone", "type: fax", r"Invalid enum value 'fax'(.|\n)*tills.yml:11"),
        ("occurred: at", "occurred: when", "the column 'when' is used and not declared"),
        ("event_types:", "properties: [phone]\nevent_types:", "'phone' is personal"),
        ("occurred: at\n", "", "a source of events says occurred and event_types"),
        ("format: csv", "format: csv\ninto: consents", "into: consents and the section"),
        ("name: tills", "name: Tills", "not in lower snake case"),
        ("type: phone, ", "", "needs a type, or each, and not both"),
        ("format: csv", "format: csv\nzone: Asia/Shanghay", r"zone: an IANA(.|\n)*tills.yml:1"),
        ("format: csv", "format: csv\ncurrency: usd", r"currency: 3 capital(.|\n)*tills.yml:1"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(GOOD.replace(old, new))


def test_two_columns_may_not_read_one_place() -> None:
    text = GOOD.replace("csv", "jsonl").replace("id: {required: true}", "id: {field: at.x}")
    with pytest.raises(ConfigError, match="two columns read the same place"):
        parsing.query(read(text), PROGRAMME)


def test_the_sample_has_its_sources_declared() -> None:
    assert [source.name for source in conf.load("sources", Source)] == [
        "app_events", "campaign_sends", "consents", "coupon_redemptions", "erp_orders",
        "erp_orders_gbk", "products", "service_chats",
    ]
