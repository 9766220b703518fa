"""A small register: persons written twice, the second time with a typing error."""

from __future__ import annotations

import random

import msgspec
import pyarrow as pa

from schemas.fuzzy import Matching

SETTINGS = msgspec.convert(
    {
        "id": {"column": "no", "type": "crm"},
        "compare": [
            {"column": "first", "kind": "name", "surname": "last"},
            {"column": "born", "kind": "date_of_birth"},
            {"column": "street", "kind": "text"},
            {"column": "zip", "kind": "postcode"},
            {"column": "mail", "kind": "email"},
            {"column": "card", "kind": "code"},
            {"column": "city", "kind": "exact"},
        ],
        "block": [["born"], ["last", "city"], ["zip"]],
        "certain": [["first", "last", "born"]],
    },
    Matching,
)

_FIRST = ("anna", "béla", "chloé", "dmitri", "elena", "farid", "greta", "hugo", "ines", "jonas")
_LAST = ("abel", "brandt", "costa", "duval", "engel", "fischer", "garcia", "huber", "ivanov")
_CITY = ("lyon", "graz", "porto", "gdansk")


def register(persons: int = 120, seed: int = 7) -> pa.Table:
    """Two records a person, ``p3-a`` and ``p3-b``, shuffled; the truth stands before the dash."""
    chance = random.Random(seed)
    rows = []
    for number in range(persons):
        person = {
            "first": chance.choice(_FIRST),
            "last": chance.choice(_LAST),
            "born": f"{chance.randint(1950, 2000)}-{chance.randint(1, 12):02}-"
            f"{chance.randint(1, 28):02}",
            "street": f"{chance.choice(_LAST)} street {chance.randint(1, 99)}",
            "zip": str(chance.randint(10000, 10060)),
            "mail": f"m{chance.randint(0, 10**6)}@x.org",
            "card": str(chance.randint(10**7, 10**8)),
            "city": chance.choice(_CITY),
            "made": "2017-03-01",
        }
        rows.append(person | {"no": f"p{number}-a"})
        rows.append(_spoilt(person, chance) | {"no": f"p{number}-b", "made": "2017-05-09"})
    chance.shuffle(rows)
    return pa.Table.from_pylist(rows)


def truth(records: pa.Table) -> dict[tuple[str, str], str]:
    """(type, id) of each record → its person."""
    return {("crm", no): no.split("-")[0] for no in records["no"].to_pylist()}


def _spoilt(person: dict[str, str], chance: random.Random) -> dict[str, str | None]:
    field = chance.choice(("first", "last", "street", "zip", "mail", "card", "born"))
    text = person[field]
    place = chance.randrange(len(text) - 1)
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return person | {field: swapped, chance.choice(("street", "mail", "city")): None}
