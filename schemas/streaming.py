"""``conf/base/streaming.yml``: how streaming jobs wait, and how often they write down."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Streaming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of streaming jobs, the same in process and in Flink."""

    lateness_s: Annotated[int, msgspec.Meta(ge=0)] = 600
    """An event counts in its own time when it was received no later than this after it happened;
    every answer waits as long."""
    idle_s: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    """A partition without records for so long holds up nobody. Flink counts one as such whose
    records it has not come to yet: too short, and a replay makes them late."""
    checkpoint_s: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    """What is said becomes visible, and is never said again, at most this much later."""
    timers_at_s: Annotated[float, msgspec.Meta(gt=0)] = 0.2
    """How often time is told to those who wait for it."""
