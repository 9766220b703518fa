"""Every share and size of the sample world, in one table with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Traps = Literal["none", "basic", "all"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Shares are of what the name says, between 0 and 1; durations carry their unit."""

    # --- People. Sizes follow the 801 households of the source with demographics.
    household_sizes: tuple[float, ...] = (0.32, 0.38, 0.18, 0.12)  # 2.1 persons on average
    app: float = 0.75
    mini_program: float = 0.60
    unionid_tied: float = 0.85  # the rest never joined both mini programs on one platform
    email: float = 0.60
    external_userid: float = 0.30
    beijing: float = 0.30
    second_device: float = 0.15  # a phone and a pad at once; with new devices 1-3 in all
    main_shopper_weight: float = 2.0  # one person of a household buys about twice as much

    # --- Orders.
    cny_per_unit: int = 7  # then 18 % of persons spend over 1,000 CNY in 30 days
    source_zone_shift_hours: int = 5  # the source's clock reads like UTC of US Eastern
    card_and_phone: float = 0.20  # with the next two: card 70 %, phone 40 %, nothing 10 %
    card_only: float = 0.50
    phone_only: float = 0.20
    trap_card_and_phone: float = 0.60  # a trap's evidence must stand on orders one can see
    refund_lines: float = 0.01  # the source has no returns
    refund_days: tuple[int, int] = (1, 10)
    after_sale_days: int = 15  # longer than the latest refund, so every refund is in time

    # --- App and mini-program sessions.
    sessions_before_basket: float = 0.30  # so that behaviour predicts purchase
    lead_hours: float = 14.0  # mean of the exponential wait from session to basket
    browsing_per_basket: float = 0.12  # sessions around the habit of buying, without a purchase
    mini_share: float = 0.35  # of the sessions of a person who has both
    login: float = 0.70
    mini_login: float = 0.40
    login_with_traits: float = 0.25  # of the log-ins, with phone and e-mail
    mini_anonymous_id: float = 0.30  # an SDK beside the mini program; often there is none

    # --- Service conversations and consent.
    conversations_per_contact: float = 5.0
    phone_in_conversation: float = 0.15
    unionid_on_message: float = 0.30
    consent_missing: float = 0.12
    consent_refused: float = 0.10
    consent_withdrawn_later: float = 0.10
    consent_by_user_id: float = 0.70  # else by phone

    # --- Identity traps (basic).
    recycled_phone: float = 0.03  # of persons
    recycled_gap_days: tuple[int, int] = (60, 180)
    recycled_seen_both_sides: float = 0.70
    sold_device: float = 0.03  # of persons; both sides have the app
    sold_gap_days: tuple[int, int] = (7, 30)
    sold_both_log_in: float = 0.75
    new_phone: float = 0.03
    new_device: float = 0.20  # of persons with the app
    reinstalled: float = 0.05  # of persons with the app
    family_tablet: float = 0.05  # of households
    family_alternates: float = 0.80
    shared_card: float = 0.15  # of households
    shared_card_alternates: float = 0.80
    store_tablets: int = 3
    store_tablet_customers: int = 200
    placeholder_orders: float = 0.01

    # --- Row traps (basic).
    nullish_anonymous_id: float = 0.02
    bots: int = 2
    bot_events: int = 4_000
    late_sessions: float = 0.03
    late_hours: tuple[int, int] = (1, 72)
    repeated: float = 0.01
    repeated_same_hour: float = 0.20  # the rest come back in a later file
    same_content: float = 0.002
    malformed: float = 0.005
    wrong_clock: float = 0.03  # of devices
    hopeless_clock: float = 0.10  # of the wrong clocks: no usable sentAt

    # --- Identity traps (all only).
    spouse_phone: float = 0.02  # of typed phones
    mistyped_phone: float = 0.01  # of typed phones
    cashier_card_orders: float = 0.01
    small_placeholders: int = 150
    small_placeholder_orders: tuple[int, int] = (2, 5)
    friend_login: float = 0.02  # of persons with the app
    other_phone_in_chat: float = 0.10  # of mentions
    second_phone: float = 0.01  # of persons; all of them have the app


PARAMETERS = Parameters()
