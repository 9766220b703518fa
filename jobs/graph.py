"""The registry's jobs as a graph of steps and tables, and drawings of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jobs.registry import Job


@dataclass(frozen=True, slots=True)
class Node:
    """A step of a job and what it depends on: tables by the step (or place) they come from."""

    job: str
    step: str
    writes: tuple[str, ...]
    needs: dict[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """Job and step."""
        return f"{self.job}.{self.step}"


def nodes(jobs: Iterable[Job]) -> list[Node]:
    """Every step in the order in which they run, with what its reads make it depend on.

    Jobs that others come after are first. What no step writes is a place outside.
    """
    found: list[Node] = []
    made: dict[str, str] = {}
    for job in in_order(jobs):
        for step in job.steps:
            needs: dict[str, list[str]] = {}
            for table in step.reads:
                needs.setdefault(made.get(table, table), []).append(table)
            whence = {place: tuple(tables) for place, tables in needs.items()}
            found.append(Node(job.name, step.name, step.writes, whence))
            made |= dict.fromkeys(step.writes, found[-1].name)
    return found


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Jobs, each behind those that it comes ``after``."""
    known = {job.name: job for job in jobs}
    done: dict[str, Job] = {}

    def place(job: Job) -> None:
        for before in job.after:
            if before in known and before not in done:
                place(known[before])
        done.setdefault(job.name, job)

    for job in known.values():
        place(job)
    return list(done.values())


def as_text(jobs: Iterable[Job]) -> str:
    """Steps by job, each with what it takes from where and what it gives."""
    listed = in_order(jobs)
    lines = []
    found = nodes(listed)
    for job in listed:
        after = f", after {', '.join(job.after)}" if job.after else ""
        lines.append(f"{job.name}{after}: {job.says}")
        for node in (one for one in found if one.job == job.name):
            lines.append(f"  {node.step}")
            for place, tables in node.needs.items():
                told = f": {', '.join(tables)}" if tables != (place,) else ""
                lines.append(f"    from {place}{told}")
            lines.append(f"    gives {', '.join(node.writes)}")
        lines.append("")
    return "\n".join(lines)


def as_mermaid(jobs: Iterable[Job]) -> str:
    """The graph as a Mermaid flowchart."""
    found = nodes(jobs)
    lines = ["flowchart LR"]
    lines += [f'  {_id(place)}[("{place}")]' for place in _places(found)]
    lines += [f'  {_id(node.name)}["{node.job}: {node.step}"]' for node in found]
    for node in found:
        for place, tables in node.needs.items():
            label = f'|"{_count(tables)}"| ' if tables != (place,) else ""
            lines.append(f"  {_id(place)} -->{label or ' '}{_id(node.name)}")
    return "\n".join(lines)


def as_dot(jobs: Iterable[Job]) -> str:
    """The graph for Graphviz."""
    found = nodes(jobs)
    lines = ["digraph jobs {", "  rankdir=LR; node [shape=box];"]
    lines += [f'  "{place}" [shape=cylinder];' for place in _places(found)]
    for node in found:
        lines.append(f'  "{node.name}";')
        for place, tables in node.needs.items():
            label = f' [label="{_count(tables)}"]' if tables != (place,) else ""
            lines.append(f'  "{place}" -> "{node.name}"{label};')
    return "\n".join([*lines, "}"])


def _places(found: list[Node]) -> list[str]:
    steps = {node.name for node in found}
    return sorted({place for node in found for place in node.needs} - steps)


def _count(tables: tuple[str, ...]) -> str:
    return tables[0] if len(tables) == 1 else f"{tables[0]} and {len(tables) - 1} more"


def _id(name: str) -> str:
    return name.replace(".", "__")


def rows(jobs: Iterable[Job]) -> Iterator[dict[str, object]]:
    """One row per step, for programs."""
    for node in nodes(jobs):
        yield {
            "job": node.job, "step": node.step, "writes": list(node.writes),
            "needs": {place: list(tables) for place, tables in node.needs.items()},
        }
