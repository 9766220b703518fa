"""Identity: string edges in Parquet to identifiers with their persons in Parquet, beside others.

Ours and each rival run in a process of its own. Seconds are of the work, without imports and
loading compiled code; CPU, peak memory and the ``whole`` seconds are of the whole process. The
rivals live in ``.venv-rivals`` (``make bench`` makes it). Chains and stars stand beside a random
graph of as many edges, in seconds of CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from pipelines.components import Components
from pipelines.components.plain import read_edges, resolve_plain
from pipelines.components.sound import sound_edges
from pipelines.edges import resolve_to

ROOT = Path(__file__).parents[1]
RIVALS_PYTHON = ROOT / ".venv-rivals" / "bin" / "python"
SMALL, FULL, QUICK = 3_000_000, 20_000_000, 20_000
SHAPE, QUICK_SHAPE = 10_000_000, 100_000
LARGE, LARGE_MB = 100_000_000, 8192
EDGES_PER_PERSON = 8
SHAPE_BAR = 1 / 1.2
CHUNK = 1_000_000
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Duel:
    """Two ways from the same edges to the same groups."""

    method: str
    """A key of ``METHODS``."""
    rival: str
    edges: int
    bar: float


DUELS = (
    Duel("plain", "splink", SMALL, 8),
    Duel("plain", "networkx", SMALL, 20),
    Duel("plain", "igraph", SMALL, 1),
    Duel("plain", "scipy", SMALL, 1),
    Duel("rules", "splink", SMALL, 3),
    Duel("plain", "splink", FULL, 8),
    Duel("rules", "splink", FULL, 3),
    Duel("plain", "igraph", FULL, 1),
    Duel("plain", "scipy", FULL, 1),
)
QUICK_DUELS = (Duel("plain", "networkx", QUICK, 1), Duel("plain", "scipy", QUICK, 0.5))


def run_plain(edges: Path, out: Path) -> None:
    """Connected components without rules."""
    resolve_plain(sound_edges(read_edges([edges])), out)


def run_rules(edges: Path, out: Path) -> None:
    """The safe defaults whole: blocked values, hubs, stays, limits, proof."""
    resolve_to(edges, out.with_suffix(""), only_identities=True)


METHODS: dict[str, Callable[[Path, Path], None]] = {"plain": run_plain, "rules": run_rules}

_VALUE = """CASE {j} WHEN 0 THEN md5('d' || {p})
WHEN 1 THEN '+86138' || lpad(CAST({p} * 7919 % 99999989 AS VARCHAR), 8, '0')
WHEN 2 THEN 'name.surname' || {p} || '@mail.example' WHEN 3 THEN 'o' || substr(md5('o' || {p}), 6)
WHEN 4 THEN 'u' || {p} WHEN 5 THEN '6688' || lpad(CAST({p} AS VARCHAR), 12, '0')
WHEN 6 THEN upper(md5('i' || {p})) ELSE md5('e' || {p}) END"""
_TYPE = (
    "['device_id', 'phone', 'email', 'openid', 'user_id', 'member_card', 'idfa', 'device_id']"
    "[{j} + 1]"
)
_EDGES = f"""
SELECT {_TYPE.format(j="j_a")} AS type_a, {_VALUE.format(p="p_a", j="j_a")} AS value_a,
  {_TYPE.format(j="j_b")} AS type_b, {_VALUE.format(p="p_b", j="j_b")} AS value_b
FROM (SELECT p AS p_a, if(is_wrong, other, p) AS p_b, j AS j_a,
    if(is_wrong, h // 17 % 2, if(s < k - 1, s + 1, (j + 1 + h // 64 % (k - 1)) % k)) AS j_b
  FROM (SELECT *, if(s < k - 1, 0, h % k) AS j, s >= k - 1 AND h // 4096 % 1000 < 24 AS is_wrong,
      (p + 1 + h // 100_000_000 % greatest($persons - 1, 1)) % $persons AS other
    FROM (SELECT e // {EDGES_PER_PERSON} AS p, e % {EDGES_PER_PERSON} AS s,
        CAST(2 + hash(e // {EDGES_PER_PERSON}) % 7 AS BIGINT) AS k,
        CAST(hash(e) >> 4 AS BIGINT) AS h
      FROM (SELECT i * 1_000_000_007 % $edges AS e FROM range($edges) AS r(i)))))
"""


def write_edges(path: Path, edges: int) -> None:
    """Write ``edges`` edges in no order, a multiple of 8, the same each time.

    A person has two to eight identifiers of seven types and eight sightings, of which 0.095 are
    of another person's device or phone; there are 0.62 as many identifiers as edges.
    """
    query = _EDGES.replace("$persons", str(edges // EDGES_PER_PERSON)).replace("$edges", str(edges))
    with duckdb.connect(config={"memory_limit": "4GB"}) as con:
        con.execute("SET enable_progress_bar = false")
        con.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


@dataclass(frozen=True, slots=True)
class Run:
    """One process: seconds of its work; seconds, CPU seconds and peak memory of all of it."""

    seconds: float
    whole: float
    cpu: float
    peak_mb: float


def timed(call: Sequence[str]) -> Run:
    """Run a command whose last line is the seconds of its work; RuntimeError where it fails."""
    start = time.perf_counter()
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    whole = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{' '.join(call)} failed with exit code {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(float(text.split()[-1]), whole, cpu, usage.ru_maxrss / 1024)


def median(runs: Sequence[Run]) -> Run:
    """The medians of all seconds, and the highest peak."""
    return Run(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.whole for run in runs),
        statistics.median(run.cpu for run in runs),
        max(run.peak_mb for run in runs),
    )


def compare(duels: Sequence[Duel], repeats: int, python: str) -> list[dict[str, Any]]:
    """The duels, each size of edges made once, ours and the rivals in turn.

    ``python`` is the interpreter whose environment has the rivals.
    """
    found = []
    for edges in dict.fromkeys(duel.edges for duel in duels):
        some = [duel for duel in duels if duel.edges == edges]
        with tempfile.TemporaryDirectory() as folder:
            file, out = Path(folder) / "edges.parquet", Path(folder) / "out.parquet"
            write_edges(file, edges)
            calls = {duel.method: _ours(duel.method, file, out) for duel in some}
            for duel in some:
                script = str(ROOT / "benchmarks" / "_identity_rivals.py")
                calls[duel.rival] = [python, script, duel.rival, str(file), str(out)]
            runs: dict[str, list[Run]] = {name: [] for name in calls}
            for _ in range(repeats):
                for name, call in calls.items():
                    runs[name].append(timed(call))
        medians = {name: median(one) for name, one in runs.items()}
        found += [_duel_row(duel, medians[duel.method], medians[duel.rival]) for duel in some]
    return found


def _ours(method: str, *paths: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.identity", "--run", method, *map(str, paths)]


def _duel_row(duel: Duel, ours: Run, rival: Run) -> dict[str, Any]:
    what = f"{duel.edges:,} string edges to identifiers with their persons, {duel.method}"
    row = _row(what, ours.seconds, rival.seconds, duel.rival, "s", duel.bar, ours.peak_mb)
    more = {
        "whole": ours.whole, "rival_whole": rival.whole, "cpu": ours.cpu, "rival_cpu": rival.cpu,
        "rival_peak_mb": rival.peak_mb,
    }  # fmt: skip
    return row | {name: round(number, 1) for name, number in more.items()}


def _row(
    what: str, ours: float, rival: float, name: str, unit: str, bar: float, peak_mb: float
) -> dict[str, Any]:
    ratio = rival / ours
    return {
        "what": what, "ours": round(ours, 3), "rival": round(rival, 3), "rival_name": name,
        "unit": unit, "ratio": round(ratio, 3), "bar": round(bar, 3), "holds": ratio >= bar,
        "peak_mb": round(peak_mb),
    }  # fmt: skip


def shape_edges(shape: str, count: int) -> tuple[Codes, Codes]:
    """``count`` edges over ``count`` + 1 nodes; 'shuffled' shuffles edges and node numbers."""
    shuffle = np.random.default_rng(7)
    nodes = np.arange(count)
    if shape == "random graph":
        return shuffle.integers(0, count + 1, count), shuffle.integers(0, count + 1, count)
    if shape.startswith("star"):
        a, b = np.zeros(count, np.int64), nodes + 1
    else:
        a, b = nodes, nodes + 1
    if shape.endswith("reversed"):
        return a[::-1].copy(), b[::-1].copy()
    if shape.endswith("shuffled"):
        order, number = shuffle.permutation(count), shuffle.permutation(count + 1)
        return number[a[order]], number[b[order]]
    return a, b


SHAPES = (
    "chain in order", "chain reversed", "chain shuffled", "star in order", "star shuffled",
)  # fmt: skip


def compare_shapes(count: int, repeats: int) -> list[dict[str, Any]]:
    """CPU of each shape beside that of a random graph with as many edges, in one process."""
    graphs = {shape: shape_edges(shape, count) for shape in ("random graph", *SHAPES)}
    cpu: dict[str, list[float]] = {shape: [] for shape in graphs}
    for _ in range(repeats + 1):
        for shape, (a, b) in graphs.items():
            start = time.process_time()
            graph = Components(count + 1)
            for at in range(0, count, CHUNK):
                graph.unite(a[at : at + CHUNK], b[at : at + CHUNK])
            graph.first()
            cpu[shape].append(time.process_time() - start)
    # The first round loads the compiled code.
    spent = {shape: statistics.median(seconds[1:]) for shape, seconds in cpu.items()}
    random = spent["random graph"]
    return [
        _row(
            f"{count:,} edges as a {shape}, codes only, CPU", spent[shape], random,
            "a random graph with as many edges", "s", SHAPE_BAR, 0,
        )
        for shape in SHAPES
    ]  # fmt: skip


def run_large(count: int) -> None:
    """Unite ``count`` random edges over 0.6 times as many nodes, made chunk by chunk."""
    number = np.random.default_rng(7)
    graph = Components(count * 6 // 10)
    for _ in range(0, count, CHUNK):
        ends = number.integers(0, len(graph), (2, CHUNK))
        graph.unite(ends[0], ends[1])
    graph.first()


def compare_large(count: int) -> dict[str, Any]:
    """Peak memory of the large run beside what is allowed."""
    run = timed([*_ours("large"), str(count)])
    what = f"{count:,} random edges over codes, in chunks, {run.seconds:.1f} s: peak memory"
    row = _row(what, run.peak_mb, LARGE_MB, "what is allowed", "MB", 1, run.peak_mb)
    return row | {"cpu": round(run.cpu, 1)}


def measure(quick: bool, repeats: int, large: bool, edges: int | None = None) -> dict[str, Any]:
    """All comparisons as one object; of the duels only those of ``edges`` edges, where given."""
    python = sys.executable if quick else str(RIVALS_PYTHON)
    duels = [duel for duel in (QUICK_DUELS if quick else DUELS) if edges in (None, duel.edges)]
    rows = compare(duels, repeats, python)
    rows += compare_shapes(QUICK_SHAPE if quick else SHAPE, repeats)
    if large or not (quick or edges):
        rows.append(compare_large(LARGE))
    return {"benchmark": "identity", "machine": _machine(), "comparisons": rows}


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB"


def run(name: str, *arguments: str) -> None:
    """Do the work of one process and print its seconds, after a tiny run that loads the code."""
    if name == "large":
        work: Callable[[], None] = partial(run_large, int(arguments[0]))
        run_large(CHUNK)
    else:
        edges, out = map(Path, arguments)
        work = partial(METHODS[name], edges, out)
        with tempfile.TemporaryDirectory() as folder:
            tiny = Path(folder) / "edges.parquet"
            write_edges(tiny, EDGES_PER_PERSON * 10)
            METHODS[name](tiny, Path(folder) / "out.parquet")
    start = time.perf_counter()
    work()
    print(time.perf_counter() - start)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny, few rivals, one run")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--repeats", type=int, help="default 3, quick 1")
    parser.add_argument("--edges", type=int, help=f"{SMALL} or {FULL} alone")
    parser.add_argument("--large", action="store_true", help=f"{LARGE:,} edges, also when quick")
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.run:
        run(*given.run)
        return
    repeats = given.repeats or (1 if given.quick else 3)
    found = measure(given.quick, repeats, given.large, given.edges)
    if given.format == "json":
        print(json.dumps(found))
        return
    for one in found["comparisons"]:
        print(
            f"{one['what']}: {one['ours']} {one['unit']}, {one['rival_name']} {one['rival']} "
            f"{one['unit']}, ratio {one['ratio']} (bar {one['bar']}), peak {one['peak_mb']} MB"
        )


if __name__ == "__main__":
    main()
