"""A landing of a few rows in every format, with a person to erase and others close to them.

Ann has every kind of identifier, in many spellings. Bob took over her old phone; Cid was first
seen on a row that names Ann's phone too; Dan has nothing to do with anybody.
"""

from __future__ import annotations

import dataclasses
import gzip
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from jobs import settings
from jobs.settings import Settings
from lake.store import Lake, open_lake
from schemas.audiences import Audience
from schemas.destinations import Destination, Folder
from schemas.exports import Export
from schemas.tag_bounds import TagBounds
from tests.pipelines.ingest.feeds import ERP_HEADER, File, app_event, order_line

FIRST, LAST = date(2017, 6, 1), date(2017, 6, 2)
MORNING, EVENING = datetime(2017, 6, 1, 10, tzinfo=UTC), datetime(2017, 6, 2, 10, tzinfo=UTC)
ANN = {
    "user": "u-ann-7731", "device": "8d1f00aa-1008-42e5-ab62-c55260fc7340",
    "phone": "13812345678", "old phone": "13900001111", "email": "ann.lee@example.com",
    "card": "M77310001", "chat": "wmANN0000000000007731", "openid": "wx01:oANN7731",
}
SPELT = [
    *ANN.values(), "+8613812345678", "138 1234 5678", "138-1234-5678", "１３８１２３４５６７８",
    "Ann.Lee@Example.com", "ANN.LEE@EXAMPLE.COM", "ann.lee@example.com", "m7731 0001",
]
SPELT.remove("13900001111")
GBK_HEADER = (
    "订单号,行号,下单时间,门店,商品编码,数量,实付金额,优惠券金额,"
    "会员卡号,手机号,收货日期,售后截止时间,原订单号"
)


def _identify(number: str, user: str, day: str, **traits: Any) -> bytes:
    at = f"{day}T01:00:00.000Z"
    return app_event(
        number, type="identify", event="absent", userId=user, traits=traits,
        originalTimestamp=at, sentAt=at, receivedAt=at, properties={},
    )


def _app() -> list[bytes]:
    beijing = {"address": {"city": "北京"}, "gender": "female"}
    ids = {"externalIds": [{"type": "openid", "id": ANN["openid"]}]}
    lines = [
        _identify(f"ann{n}", ANN["user"], f"2017-05-{n:02}", phone=phone, email=mail, **beijing)
        for n, (phone, mail) in enumerate(
            [(ANN["phone"], "Ann.Lee@Example.com"), ("138-1234-5678", ANN["email"]),
             ("１３８１２３４５６７８", "ANN.LEE@EXAMPLE.COM"),
             ("+86 138 1234 5678", ANN["email"])],
            1,
        )
    ]
    lines += [app_event("ann9", anonymousId=ANN["device"], userId=ANN["user"], context=ids)]
    lines += [
        _identify(f"old{n}", ANN["user"], f"2017-01-{n:02}", phone=ANN["old phone"])
        for n in range(1, 5)
    ]
    lines += [
        _identify(f"bob{n}", "u-bob-1", f"2017-05-{n:02}", phone=ANN["old phone"], **beijing)
        for n in range(1, 5)
    ]
    lines += [_identify("cid0", "u-cid-1", "2017-05-02", phone=ANN["phone"])]
    lines += [
        _identify(f"cid{n}", "u-cid-1", f"2017-05-{n:02}", email="cid@example.org", **beijing)
        for n in range(3, 6)
    ]
    lines += [_identify("dan1", "u-dan-1", "2017-05-09", phone="13700002222", **beijing)]
    said = {"query": f"is {ANN['email']} here", "product_id": "p1"}
    lines += [app_event("dan2", userId="u-dan-1", anonymousId="absent", properties=said)]
    return lines


def files() -> list[File]:
    """What is delivered before the first cut, and before the second."""
    app = _app()
    broken = app[0][:-9] + b"\n" + b'{"type": "track", "userId": "u-dan-1"\n'
    annes = {"member_card": ANN["card"], "phone": "138 1234 5678"}
    erp = [
        order_line("O1", **annes), order_line("O2", member_card="m7731 0001"),
        order_line("O3", member_card="M00000009", phone="13700002222"),
        order_line("O4", **annes, paid_amount="much"), order_line("O1", **annes),
    ]
    gbk = [GBK_HEADER, "G1,1,2017-03-01 09:30:00,s9,p1,1,5.00,0.00," + ANN["card"]
           + ",13812345678,,,", "G2,1,2017-03-01 09:30:00,s9,p1,1,5.00,0.00,M00000009,,,,"]
    chat = {
        "msgid": "c1", "from": ANN["chat"], "tolist": ["staff1"], "msgtime": 1_490_000_000_000,
        "msgtype": "text", "text": {"content": "我的电话是138 1234 5678谢谢"},
    }
    consent = [
        {"consent_id": f"k{n}", "user_id": user, "purpose": "export", "channel": "any",
         "status": "granted", "text_version": "v1", "at": "2017-05-01T00:00:00Z"}
        for n, user in enumerate((ANN["user"], "u-bob-1", "u-cid-1", "u-dan-1"))
    ]

    def jsonl(rows: list[Any]) -> bytes:
        return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)

    header = "send_id,member_card,campaign_id,campaign_type,sent_on\n"
    return [
        File("app_events", "app/1.jsonl.gz", gzip.compress(b"\n".join(app) + b"\n"), MORNING),
        File("app_events", "app/2.jsonl", broken + app[-1] + b"\n" + app[0] + b"\n", MORNING),
        File("erp_orders", "erp/1.csv", "\n".join([ERP_HEADER, *erp, ""]).encode(), MORNING),
        File("erp_orders", "erp/2.csv", "\n".join([ERP_HEADER, *erp[:1], ""]).encode(), EVENING),
        File("erp_orders_gbk", "gbk/1.csv", ("\n".join(gbk) + "\n").encode("gbk"), MORNING),
        File("service_chats", "chat/1.jsonl", jsonl([chat]), MORNING),
        File("consents", "consent/1.jsonl", jsonl(consent), MORNING),
        File("campaign_sends", "sends/1.csv",
             (header + f"s1,{ANN['card']},c1,mail,2017-05-05\ns2,M00000009,c1,mail,2017-05-05\n")
             .encode(), EVENING),
        File("nobody_knows", "odd/1.txt", f"x;{ANN['phone']};y\nz;1;2\n".encode(), EVENING),
    ]


def settled(*, is_wide: bool = False) -> Settings:
    """The packaged definitions with two audiences, and an export of each.

    Ann is in the one of the city, whose phones are written; of who has ordered nothing the hashes
    go to a folder, and in its wider version are all.
    """
    orders = {"field": "orders_count_ever", "operator": ">=" if is_wide else "=", "value": 0}
    rules = {"beijing": {"field": "city", "operator": "=", "value": "北京"}, "quiet": orders}
    audiences = msgspec.convert(
        [{"name": name, "label": name, "query": {"combinator": "and", "rules": [rule]}}
         for name, rule in rules.items()],
        list[Audience],
    )
    shared = {"format": "csv", "channel": "sms", "person": ["one_id"]}
    exports = msgspec.convert(
        [{"name": "phones", "audience": "beijing", **shared,
          "identifiers": [{"type": "phone", "recipe": "raw"}]},
         {"name": "hashes", "audience": "quiet", **shared, "destinations": ["desk"],
          "identifiers": [{"type": "phone", "recipe": "sha256_e164"}]}],
        list[Export],
    )
    desk = Destination(name="desk", label="desk", folder=Folder("desk"))
    return dataclasses.replace(
        settings.read(), audiences=audiences, exports=exports, destinations=[desk],
        tag_bounds=TagBounds(1.0, 1.0, 1 << 31),
    )


def landed(root: Path) -> Lake:
    """A lake with these files, nothing published."""
    lake = open_lake(root, create=True)
    lake.landing.receive(files())
    return lake
