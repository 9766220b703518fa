"""Patterns with absence: events a second in process, and in Flink over a real Kafka.

Three patterns over one event every 20 ms of 20,000 devices, lines as the app sends them, half of
them of a type that a pattern is about. In process: the step alone over events that have been read
already, and the whole way from the lines. In Flink: the whole way, from the first record that it
reads to the last match, its start not counted. CPU seconds in process, wall seconds in Flink.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.arriving import Happened
from domain.keyed import Held
from jobs import settings
from jobs.streaming import hosting
from jobs.streaming.kinds import KINDS
from jobs.streaming.patterns import Patterns
from jobs.streaming.runner import Stream
from lake.engines import kafka
from lake.topics import Fresh, opened
from lake.topics.record import Topics

EVENTS, QUICK, DEVICES = 300_000, 50_000, 20_000
START = 1_500_000_000_000
STEP_BAR, FLINK_BAR = 150_000, 15_000
BATCH = 10_000
SECRET = b"a secret of the benchmark"
KINDS_OF = ("Product Viewed", "Product Added", "Order Completed", "Products Searched", "App Opened")
SHARES = (36, 10, 4, 25, 25)


def lines(count: int) -> list[tuple[int, bytes, bytes]]:
    """Time of receipt (ms), key and line of so many events."""
    drawn = random.Random(7)
    found = []
    for number in range(count):
        at, who = START + number * 20, f"device-{drawn.randrange(DEVICES)}"
        stamp = _iso(at)
        line = (
            f'{{"type":"track","messageId":"m{number}","anonymousId":"{who}","event":'
            f'"{drawn.choices(KINDS_OF, SHARES)[0]}","properties":{{"session_id":"s{number % 97}",'
            '"product_id":"961979","category":"CHICKEN/POULTRY","price":30.82},"context":'
            '{"device":{"type":"android"}},'
            f'"originalTimestamp":"{stamp}","sentAt":"{stamp}","receivedAt":"{stamp}"}}'
        )
        found.append((at, who.encode(), line.encode()))
    return found


def _iso(at: int) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000))
    return f"{whole}.{at % 1000:03d}Z"


def in_process(given: Sequence[tuple[int, bytes, bytes]]) -> dict[str, Any]:
    """Events a second of the step alone, and lines a second of reading and step together."""
    settled = settings.read()
    keyed = Patterns(settled.sources, settled.programme, SECRET)
    rules = keyed.rules(KINDS["patterns"].begun_with(settled))
    gc.collect()
    gc.freeze()
    began = time.process_time()
    read = [
        [e for at, _, line in given[first : first + BATCH]
         if (e := keyed.read(rules, "app_events", line, at * 1000)) is not None]
        for first in range(0, len(given), BATCH)
    ]
    reading = time.process_time() - began
    held: Held[Happened, Any, Any] = Held(keyed, rules)
    said = 0
    began = time.process_time()
    for batch in read:
        said += len(held.take(batch))
        said += len(held.advance(batch[-1].at - 600_000_000))
    stepping = time.process_time() - began
    events, keys = sum(map(len, read)), len(held.states)
    left = len(held.advance(given[-1][0] * 1000 + 99 * 86_400 * 1_000_000))
    return {
        "lines": len(given), "events": events, "matches": said, "keys": keys,
        "matches_in_all": said + left,
        "step_events_a_second": round(events / stepping),
        "whole_lines_a_second": round(len(given) / (reading + stepping)),
    }


def in_flink(given: Sequence[tuple[int, bytes, bytes]]) -> dict[str, Any]:
    """Lines a second of one part of Flink: how much longer all take than a fiftieth of them.

    Needs Java, the jars and the second environment.
    """
    few = len(given) // 50
    short, long = _seconds(given[:few]), _seconds(given)
    return {
        "flink_lines": len(given), "flink_start_s": round(short, 1),
        "flink_lines_a_second": round((len(given) - few) / (long - short)),
    }


def _seconds(given: Sequence[tuple[int, bytes, bytes]]) -> float:
    """Seconds from the start of the job until its last match can be read."""
    settled = settings.read()
    kind = KINDS["patterns"]
    with tempfile.TemporaryDirectory() as folder:
        broker = kafka.Broker(Path(folder) / "kafka", kafka.free_port())
        broker.up()
        try:
            topics = opened(broker.address)
            stream = Stream({"events.app_events": "app_events"}, kind.output, kind.changes)
            for name, partitions in (("events.app_events", 4), (kind.output, 1), (kind.changes, 1)):
                topics.create(name, partitions)
            writer = topics.writer("events.app_events")
            for at, key, line in given:
                writer.send(Fresh(key, line, at))
            # In every partition, so that all time is over.
            for number in range(64):
                writer.send(Fresh(str(number).encode(), b"{}", given[-1][0] + 100 * 86_400_000))
            writer.close()
            expected = in_process(given)["matches_in_all"]
            job = hosting.planned("patterns", settled, topics, stream, Path(folder) / "flink")
            began = time.monotonic()
            process = hosting.started("patterns", job, SECRET, None)
            try:
                while _count(topics, kind.output) < expected and process.poll() is None:
                    time.sleep(0.2)
                return time.monotonic() - began
            finally:
                process.kill()
                process.wait()
        finally:
            broker.kill()


def _count(topics: Topics, name: str) -> int:
    """Records that readers of what is committed see."""
    ((_, end),) = topics.span(name).values()
    reader = topics.reader(name, {0: 0})
    count = 0
    while reader.positions()[0] < end:
        count += len(reader.read(10_000, 0.2))
    reader.close()
    return count


def main() -> None:
    """Measure, and say whether the bars are held."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--flink", action="store_true", help="Flink too, over a Kafka of its own.")
    asked.add_argument("--format", choices=("text", "json"), default="text")
    given = asked.parse_args()
    made = lines(QUICK if given.quick else EVENTS)
    found = in_process(made)
    found["holds"] = found["step_events_a_second"] >= STEP_BAR
    if given.flink:
        found |= in_flink(made)
        found["flink_holds"] = found["flink_lines_a_second"] >= FLINK_BAR
    if given.format == "json":
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:24} {value:,}" if not isinstance(value, bool) else f"{name:24} {value}")


if __name__ == "__main__":
    main()
