from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import get_args

import pytest

from schemas.errors import AccessError, ConflictError
from services.handovers import core
from services.handovers.core import Handover, Key, State

KEY = Key("x", "all", "v1", date(2017, 6, 30), "ads", "r1")
ONE = Handover(KEY.handover_id, KEY, "requested", "ann", datetime(2017, 7, 1, tzinfo=UTC))


def test_the_id_is_that_of_what_is_handed_over() -> None:
    others = [
        replace(KEY, export="y"), replace(KEY, audience="b"), replace(KEY, audience_version="v2"),
        replace(KEY, business_date=date(2017, 7, 1)), replace(KEY, destination="outbox"),
        replace(KEY, recipe_version="r2"),
    ]
    assert len({KEY.handover_id, *(one.handover_id for one in others)}) == 7
    assert replace(KEY).handover_id == KEY.handover_id


def test_who_asks_does_not_approve() -> None:
    with pytest.raises(AccessError, match="does not approve it(.|\n)*a second person(.|\n)*ann"):
        core.require_decidable(ONE, "ann")
    core.require_decidable(ONE, "bob")


@pytest.mark.parametrize("state", [s for s in get_args(State) if s != "requested"])
def test_only_what_waits_is_decided(state: State) -> None:
    with pytest.raises(ConflictError, match=f"waits for no decision(.|\n)*state {state}"):
        core.require_decidable(replace(ONE, state=state), "bob")


@pytest.mark.parametrize("state", get_args(State))
def test_what_is_approved_cut_off_or_failed_is_delivered_and_nothing_else(state: State) -> None:
    one = replace(ONE, state=state)
    if state in ("approved", "delivering", "failed"):
        core.require_deliverable(one)
        return
    with pytest.raises(ConflictError, match="cannot be delivered"):
        core.require_deliverable(one)
