"""``guiyi export``: audiences leave as files, are handed over, and are looked at again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from jobs import settings, show
from jobs.commands.jobs import Conf
from jobs.dates import day
from jobs.show import DataOption, Format, FormatOption
from lake.store import Lake, open_lake
from schemas.errors import NotFoundError, NothingToDo, StorageError

app = typer.Typer(
    help="Exports: what leaves, where it was handed over, and who approved it.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="A declared export.")]
Names = Annotated[str | None, typer.Argument(help="A declared export; all when absent.")]
Id = Annotated[str, typer.Argument(help="A hand-over, by its id.")]
By = Annotated[
    str | None,
    typer.Option("--by", help="Who does it; GUIYI_AUTHOR, else the name of the login."),
]


@app.callback()
def export() -> None:
    """Exports: what leaves, where it was handed over, and who approved it."""


@app.command("list")
def export_list(
    name: Names = None, data: DataOption = None, form: FormatOption = Format.TEXT
) -> None:
    """Every version that was written, and what became of its hand-overs."""
    from lake import exports

    lake = open_lake(data)
    with _desk(lake) as desk:
        known = desk.every(name)
    found = []
    for one in exports.versions(lake.exports, name):
        handed = [h for h in known if (h.key.export, h.version) == (one["export"], one["version"])]
        found.append({
            "export": one["export"], "version": one["version"], "kind": one.get("kind", ""),
            "rows": one.get("rows"), "withdrawn": "withdrawn" in one,
            "hand-overs": ", ".join(
                f"{h.key.destination} {h.state} {h.handover_id}" for h in handed
            ),
        })
    show.rows("exports", found, form)


@app.command("run")
def export_run(
    name: Name,
    date_: Annotated[
        str | None, typer.Option("--date", help="Business date; of the newest release.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="One of its destinations; all when absent.")
    ] = None,
    by: By = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Write one export of a release, and hand it over where no second person must approve."""
    from jobs import exports

    lake, settled = open_lake(data), settings.read(conf)
    recipe = exports.find(settled, name)
    on = day(date_, "--date") if date_ else lake.release().business_date
    done = exports.publish_one(lake, settled, recipe, on, to, by)
    show.answer(done, form, _said(done))
    if not done["is_new"]:
        raise NothingToDo(f"nothing to do: {done['version']} of {name} is written and handed over")


@app.command("approve")
def export_approve(
    handover: Id, by: By = None, conf: Conf = None, data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Approve what somebody else has asked for, and deliver it."""
    lake = open_lake(data)
    with _desk(lake, conf) as desk:
        who = _actor(by)
        desk.settle(handover, who, True)
        one = desk.deliver(handover, who)
    _answer(one, form)


@app.command("refuse")
def export_refuse(
    handover: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with it.")],
    by: By = None, conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT,
) -> None:
    """Refuse what somebody else has asked for; it never leaves."""
    with _desk(open_lake(data), conf) as desk:
        one = desk.settle(handover, _actor(by), False, reason)
    _answer(one, form)


@app.command("deliver")
def export_deliver(
    handover: Id, by: By = None, conf: Conf = None, data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Deliver again what failed or was cut off; what was delivered is not delivered again."""
    with _desk(open_lake(data), conf) as desk:
        is_done = desk.find(handover).state == "delivered"
        one = desk.deliver(handover, _actor(by))
    _answer(one, form)
    if is_done:
        raise NothingToDo(f"nothing to do: {handover} was delivered at {one.delivered_at}")


@app.command("show")
def export_show(
    name: Name,
    version: Annotated[str | None, typer.Argument(help="A version; the newest.")] = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """The manifest of a version: recipe, columns, counts, parts, and its hand-overs."""
    import json

    from jobs.registry import plain
    from lake import exports

    lake = open_lake(data)
    known = [one["version"] for one in exports.versions(lake.exports, name)]
    found = exports.manifest(lake.exports, name, version or (known[-1] if known else ""))
    with _desk(lake) as desk:
        handed = [plain(h) for h in desk.every(name) if h.version == found["version"]]
    value = {**found, "handovers": handed}
    show.answer(value, form, json.dumps(value, indent=1, ensure_ascii=False, default=str))


@app.command("verify")
def export_verify(
    name: Names = None,
    version: Annotated[str | None, typer.Argument(help="A version; all when absent.")] = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Hold every file against the manifest of its version: size and SHA-256."""
    from lake import exports

    lake, wrong = open_lake(data), []
    chosen = [
        one for one in exports.versions(lake.exports, name)
        if version is None or one["version"] == version
    ]
    if name is not None and not chosen:
        raise NotFoundError(
            f"no version of {name} is there to be held against its manifest",
            expected="an export that was written", got=" ".join(filter(None, (name, version))),
            where=str(lake.exports), todo="see `guiyi export list`",
        )
    for one in chosen:
        for fault in exports.faults(lake.exports, one["export"], one["version"]):
            wrong.append({"export": one["export"], "version": one["version"], "fault": fault})
    if wrong:
        raise StorageError(
            f"{len(wrong)} files of exports are not as they were written",
            expected="sizes and sums of the manifests",
            got="; ".join(f"{one['version']} {one['fault']}" for one in wrong[:3]),
            where=str(lake.exports), todo="bring them back from a backup, or withdraw the versions",
        )
    text = f"{len(chosen)} versions are as they were written"
    show.answer({"versions": len(chosen), "faults": []}, form, text)


@contextmanager
def _desk(lake: Lake, conf: Any = None) -> Iterator[Any]:
    from jobs.handovers import Desk
    from jobs.run import clock
    from services.database import open_database

    database = open_database(lake.root)
    try:
        yield Desk(lake, settings.read(conf), database, clock)
    finally:
        database.close()


def _actor(by: str | None) -> Any:
    from jobs.tags import author
    from services.access.core import actor

    return actor(by or author(), "admin")


def _answer(one: Any, form: Format) -> None:
    from jobs.registry import plain

    where = f" at {one.place}, {one.rows:,} rows" if one.place else ""
    text = f"{one.handover_id}: {one.key.export} to {one.key.destination} is {one.state}{where}"
    show.answer(plain(one), form, text)


def _said(done: dict[str, Any]) -> str:
    counts = done["counts"]
    lines = [
        f"{done['export']} {done['version']} ({done['kind']}): {done['rows']:,} rows in "
        f"{len(done['parts'])} parts",
        f"  of {counts['members']:,} members {counts['exported']:,} leave; without consent "
        f"{counts['without_consent']:,}, suppressed {counts['suppressed']:,}, without identifier "
        f"{counts['without_identifier']:,}",
    ]
    lines += [
        f"  {one['key']['destination']}: {one['state']} ({one['handover_id']})"
        for one in done["handovers"]
    ]
    return "\n".join(lines)
