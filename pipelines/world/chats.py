"""Service conversations as a WeCom archive gives them."""

from __future__ import annotations

import json
from random import Random

from pipelines.world.files import YEAR_END, YEAR_START, business_date
from pipelines.world.persons import Mint, Person
from pipelines.world.plan import Instance, Plan
from pipelines.world.small_sources import Identifier, Row

QUESTIONS = (
    "你好，请问我的订单什么时候到？", "这个咖啡还有货吗？", "优惠券怎么用不了？",
    "我想退货，怎么操作？", "会员积分在哪里看？", "门店几点关门？", "上次买的牛奶有问题。",
    "可以开发票吗？", "小程序打不开了。",
)
ANSWERS = (
    "您好，马上为您查询。", "有货的，欢迎到店选购。", "请您稍等，我看一下。",
    "已为您登记，请留意通知。", "可以的，请提供一下手机号。", "感谢您的反馈，我们会尽快处理。",
)
MENTIONS = ("我的手机号是{0}", "电话 {0}，麻烦查一下", "{0} 这个号下的单", "打这个电话{0}，谢谢")
STAFF = 30


def write_chats(plan: Plan, has_hard_traps: bool) -> tuple[list[Row], list[Instance]]:
    """Return the messages of all contacts, and whose phones were mentioned for another."""
    random, mint = plan.random, plan.mint
    rows: list[Row] = []
    foreign: list[Instance] = []
    for person in plan.persons:
        if person.external_userid is None:
            continue
        times = plan.basket_times[person.number]
        for _ in range(_poisson(plan.parameters.conversations_per_contact, random)):
            base = random.choice(times) if times else random.randrange(YEAR_START, YEAR_END)
            at = base + int(random.expovariate(1 / 86_400))
            if at < YEAR_END - 7200:
                other = random.choice(plan.persons) if has_hard_traps else None
                rows += _conversation(plan, person, at, mint, other, foreign)
    return rows, foreign


def _poisson(mean: float, random: Random) -> int:
    count, left = 0, random.expovariate(1.0)
    while left < mean:
        count, left = count + 1, left + random.expovariate(1.0)
    return count


def _conversation(
    plan: Plan, person: Person, at: int, mint: Mint, other: Person | None,
    foreign: list[Instance],
) -> list[Row]:
    random, p = mint.random, plan.parameters
    staff = f"staff{random.randrange(1, STAFF + 1):02d}"
    mentioned = None
    if random.random() < p.phone_in_conversation:
        phone = person.phone_at(at)
        mentioned = phone.value if phone and phone.habit != "alone" else None
        if mentioned and other and random.random() < p.other_phone_in_chat:
            strange = other.phone_at(at)
            if strange and other is not person:
                mentioned = strange.value
                pair = [person.number, other.number]
                foreign.append(Instance("foreign_phone_in_chat", pair, [mentioned], at))
    rows = []
    for turn in range(random.randint(2, 6)):
        is_customer = turn % 2 == 0
        said = random.choice(QUESTIONS if is_customer else ANSWERS)
        number = mentioned if is_customer and turn == 0 else None
        share = p.unionid_on_message
        rows.append(_message(person, staff, at, said, is_customer, number, random, share))
        at += 20 + int(random.random() * 240)
    return rows


def _message(
    person: Person, staff: str, at: int, said: str, is_customer: bool, number: str | None,
    random: Random, share: float,
) -> Row:
    contact = person.external_userid or ""
    ids: list[Identifier] = [("external_userid", contact)]
    if number:
        digits = number[3:]
        shown = digits if random.random() < 0.7 else f"{digits[:3]} {digits[3:7]} {digits[7:]}"
        said = f"{said}{random.choice(MENTIONS).format(shown)}"
        ids.append(("phone", number))
    sender, receiver = (contact, staff) if is_customer else (staff, contact)
    msgid = f"{random.getrandbits(64):016x}_external"
    message: dict[str, object] = {
        "msgid": msgid, "action": "send", "from": sender, "tolist": [receiver], "roomid": "",
        "msgtime": at * 1000 + int(random.random() * 1000), "msgtype": "text",
        "text": {"content": said},
    }
    if is_customer and person.unionid and random.random() < share:
        message["unionid"] = person.unionid
        ids.append(("unionid", person.unionid))
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return Row(msgid, person.number, at, business_date(at), tuple(ids), text)
