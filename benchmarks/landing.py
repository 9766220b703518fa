"""Landing from topics, exactly once, beside a plain append of the same records.

Both read one topic of four partitions with the same reader and commit 100,000 records at a time.
Ours notes the next offsets in the commit and is durable before it; the rival is ``write_deltalake``
in append mode, which after a crash loses or doubles. Segments always, Kafka where a broker can be
started here. Each run is a process of its own; records a second of wall time and of CPU time.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lake.landed import land
from lake.landed.rows import rows_of
from lake.topics import Fresh, opened
from schemas.errors import UsageError

FULL, QUICK = 2_000_000, 100_000
MOST = 100_000
TOPIC, PARTITIONS = "events.benchmark", 4
AIM = 100.0
"""Thousand records a second that one process must land."""
BAR = 0.5
"""What exactly once, durable, may cost beside the plain append."""
HEADERS = (("source", b"app_events"), ("schema", b"0123456789abcdef"), ("version", b"1"))
START_MS = 1_496_318_400_000


def fill(address: str, records: int) -> None:
    """Send JSON events of about 150 bytes, 5,000 keys, over two hours of one day."""
    topics = opened(address)
    topics.create(TOPIC, PARTITIONS)
    writer = topics.writer(TOPIC)
    for n in range(records):
        value = (
            b'{"type":"track","messageId":"%032x","userId":"u%d","event":"Product Viewed",'
            b'"properties":{"product_id":"p%d","price":"%d.50"}}' % (n, n % 5000, n % 997, n % 90)
        )
        writer.send(Fresh(b"u%d" % (n % 5000), value, START_MS + n * 7_200_000 // records, HEADERS))
    writer.close()
    topics.close()


def run_ours(address: str, folder: Path) -> int:
    """Land the whole topic in a new table; how many records."""
    topics = opened(address)
    done = land(
        topics, {TOPIC: ()}, folder / "landed", folder / "locks", most=MOST, every_s=5.0,
        clock=lambda: datetime(2017, 6, 2, tzinfo=UTC),
    )
    return done[TOPIC].records


def run_rival(address: str, folder: Path) -> int:
    """Append the whole topic without noting anything; how many records."""
    from deltalake import write_deltalake

    # As ours does while it lands a batch.
    gc.disable()
    topics = opened(address)
    ends = {p: end for p, (_, end) in topics.span(TOPIC).items()}
    reader = topics.reader(TOPIC, dict.fromkeys(ends, 0))
    count, whole = 0, sum(ends.values())
    while count < whole:
        records: list[Any] = []
        while len(records) < min(MOST, whole - count):
            records += reader.read(min(MOST - len(records), 10_000), 5.0)
        for table in rows_of(TOPIC, records, 1 << 60).values():
            write_deltalake(folder / "plain", table, mode="append", partition_by=["received_on"])
        count += len(records)
    gc.enable()
    return count


def measure(records: int, repeats: int) -> dict[str, Any]:
    """The comparisons as one object; medians of ``repeats`` runs, ours and the rival's in turn."""
    comparisons = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for kind, address in _addresses(root):
            _timed("fill", address, root, records)
            runs: dict[str, list[tuple[float, float, float]]] = {"ours": [], "rival": []}
            for number in range(repeats):
                for who, found in runs.items():
                    folder = root / f"{kind}-{who}-{number}"
                    found.append(_timed(who, address, folder, records))
            comparisons += _comparisons(kind, records, runs)
    return {"benchmark": "landing", "machine": _machine(), "comparisons": comparisons}


@contextmanager
def _broker(root: Path) -> Iterator[str]:
    from lake.engines import kafka, parts

    parts.require(*parts.OF_ENGINE["kafka"])
    broker = kafka.Broker(root / "kafka", kafka.free_port())
    broker.up()
    try:
        yield broker.address
    finally:
        broker.down()


def _addresses(root: Path) -> Iterator[tuple[str, str]]:
    yield "segments", str(root / "topics")
    try:
        with _broker(root) as address:
            yield "Kafka", address
    except UsageError as error:
        print(f"without Kafka: {error}", file=sys.stderr)


def _comparisons(
    kind: str, records: int, runs: dict[str, list[tuple[float, float, float]]]
) -> list[dict[str, Any]]:
    def rate(who: str, place: int) -> float:
        return records / statistics.median(one[place] for one in runs[who]) / 1000

    peak_mb = max(one[2] for one in runs["ours"])
    wall, cpu = rate("ours", 0), rate("ours", 1)
    what = f"{records:,} records from {kind}, each once"
    return [
        _comparison(what, wall, rate("rival", 0), "plain deltalake append", BAR, peak_mb),
        _comparison(what, wall, AIM, "the aim of a process", 1.0, peak_mb),
        _comparison(what + ", by CPU", cpu, rate("rival", 1), "the same append", BAR, peak_mb),
        _comparison(what + ", by CPU", cpu, AIM, "the aim", 1.0, peak_mb),
    ]


def _comparison(
    what: str, ours: float, rival: float, name: str, bar: float, peak_mb: float
) -> dict[str, Any]:
    return {
        "what": what, "ours": round(ours, 1), "rival": round(rival, 1), "rival_name": name,
        "unit": "k/s", "ratio": round(ours / rival, 3), "bar": bar, "holds": ours / rival >= bar,
        "peak_mb": round(peak_mb),
    }


def _timed(who: str, address: str, folder: Path, records: int) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak memory in MB of one run in a process of its own."""
    call = [sys.executable, "-m", "benchmarks.landing", "--run", who, address, str(folder)]
    call += ["--records", str(records)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the run of {who} failed with exit code {process.returncode}")
    wall, cpu = json.loads(text)
    return wall, cpu, usage.ru_maxrss / 1024


def _run(who: str, address: str, folder: Path, records: int) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    if who == "fill":
        fill(address, records)
    else:
        folder.mkdir(parents=True)
        done = {"ours": run_ours, "rival": run_rival}[who](address, folder)
        assert done == records, f"{done} of {records}"
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} records, one run")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--records", type=int, help=f"default {FULL:,}")
    parser.add_argument("--repeats", type=int, help="default 3, quick 1")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    records = given.records or (QUICK if given.quick else FULL)
    if given.run:
        who, address, folder = given.run
        _run(who, address, Path(folder), records)
        return
    found = measure(records, given.repeats or (1 if given.quick else 3))
    if given.format == "json":
        print(json.dumps(found))
        return
    for one in found["comparisons"]:
        print(
            f"{one['what']}: {one['ours']} k/s, {one['rival_name']} {one['rival']} k/s "
            f"(ratio {one['ratio']}, bar {one['bar']}), peak {one['peak_mb']} MB"
        )


if __name__ == "__main__":
    main()
