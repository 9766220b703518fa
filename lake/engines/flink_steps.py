"""The two operators around a keyed pure step: one reads lines, one holds a key's state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.changes import read_change
from domain.keyed import Keyed

Ready = Keyed[Any, Any, Any]
Definitions = dict[str, bytes]


def reading(keyed: Ready, source: str, described: Any, definitions: Definitions) -> Any:
    """An operator that gives (key, packed event) of each line that the rules ask for."""
    from pyflink.datastream.functions import BroadcastProcessFunction

    class Reading(BroadcastProcessFunction):  # type: ignore[misc]
        def open(self, context: Any) -> None:
            self._rules: Any = None
            self._pack = msgspec.msgpack.Encoder().encode

        def process_element(self, value: str, context: Any) -> Iterator[tuple[str, bytes]]:
            if self._rules is None:
                state = context.get_broadcast_state(described)
                self._rules = keyed.rules(in_force(definitions, state))
            received_at = (context.timestamp() or 0) * 1000
            event = keyed.read(self._rules, source, value.encode("latin-1"), received_at)
            if event is not None:
                yield event.key, self._pack(event)

        def process_broadcast_element(self, value: str, context: Any) -> Iterator[Any]:
            changed(value, context.get_broadcast_state(described))
            self._rules = None
            return iter(())

    return Reading()


def stepping(keyed: Ready, described: Any, definitions: Definitions) -> Any:
    """An operator that holds the state of each key and gives what the step says."""
    from pyflink.common import Types
    from pyflink.datastream.functions import KeyedBroadcastProcessFunction
    from pyflink.datastream.state import ValueStateDescriptor

    class Stepping(KeyedBroadcastProcessFunction):  # type: ignore[misc]
        def open(self, context: Any) -> None:
            held = ValueStateDescriptor("held", Types.PICKLED_BYTE_ARRAY())
            self._held = context.get_state(held)
            self._rules: Any = None
            self._event = msgspec.msgpack.Decoder(keyed.event_type).decode
            self._state = msgspec.msgpack.Decoder(keyed.state_type).decode
            self._pack = msgspec.msgpack.Encoder().encode

        def process_element(self, value: Any, context: Any) -> Iterator[str]:
            state, wake = self._stored()
            passed = context.timer_service().current_watermark() * 1000 + 999
            event = self._event(bytes(value[1]))
            moved = keyed.happened(state, event, max(passed, 0), self._ready(context))
            self._keep(moved, wake, context)
            for out in moved.outs:
                yield out.value.decode()

        def on_timer(self, timestamp: int, context: Any) -> Iterator[str]:
            state, _ = self._stored()
            if state is None:
                return
            passed = max(context.timer_service().current_watermark(), timestamp) * 1000 + 999
            moved = keyed.passed(state, context.get_current_key(), passed, self._ready(context))
            self._keep(moved, None, context)
            for out in moved.outs:
                yield out.value.decode()

        def process_broadcast_element(self, value: str, context: Any) -> Iterator[Any]:
            changed(value, context.get_broadcast_state(described))
            self._rules = None
            return iter(())

        def _ready(self, context: Any) -> Any:
            if self._rules is None:
                state = context.get_broadcast_state(described)
                self._rules = keyed.rules(in_force(definitions, state))
            return self._rules

        def _stored(self) -> tuple[Any, int | None]:
            held = self._held.value()
            if held is None:
                return None, None
            wake = int.from_bytes(held[:8], "big")
            return self._state(held[8:]), wake or None

        def _keep(self, moved: Any, wake: int | None, context: Any) -> None:
            """Store the state behind the earliest timer that is set (milliseconds)."""
            if moved.state is None:
                self._held.clear()
                return
            if moved.next is not None and (wake is None or moved.next // 1000 < wake):
                wake = moved.next // 1000
                context.timer_service().register_event_time_timer(wake)
            self._held.update((wake or 0).to_bytes(8, "big") + self._pack(moved.state))

    return Stepping()


def in_force(definitions: Definitions, state: Any) -> Definitions:
    """The definitions that the job began with, under what has changed since."""
    found = dict(definitions)
    for name, said in state.items():
        if said:
            found[name] = said.encode()
        else:
            found.pop(name, None)
    return found


def changed(value: str, state: Any) -> None:
    """Note a change of definitions; what is none is passed over."""
    change = read_change(value.encode("latin-1"))
    if change is not None:
        state.put(change[0], "" if change[1] is None else change[1].decode())
