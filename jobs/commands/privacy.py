"""``guiyi erase``, ``guiyi erasure`` and ``guiyi subject``: what a person may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from jobs import run, settings, show
from jobs.commands.people import AsOf, Who, explain
from jobs.dates import as_of
from jobs.show import DataOption, Format, FormatOption
from lake.store import open_lake
from schemas.errors import InputError, NotFoundError

erasures = typer.Typer(help="Erasures and their receipts.", no_args_is_help=True)
subjects = typer.Typer(help="What is held about one person.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of an erasure, see `guiyi erasure list`.")]
Values = Annotated[
    Path | None,
    typer.Option("--values", help="File of clear values, one a line, looked for in every byte."),
]


@erasures.callback()
def erasure_commands() -> None:
    """Erasures and their receipts."""


@subjects.callback()
def subject_commands() -> None:
    """What is held about one person."""


def erase(
    who: Who,
    reason: Annotated[
        str, typer.Option("--reason", help="Why, without naming the person; kept for good.")
    ] = "asked by the person",
    author: Annotated[
        str | None, typer.Option("--author", help="Who has it done; default: the user logged in.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be erased, and change nothing.")
    ] = False,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Erase a person from everything that is kept, for good; ends with a signed receipt."""
    from jobs.privacy import erase as job
    from jobs.tags import author as login

    lake, settled = open_lake(data), settings.read()
    by = author or login()
    if dry_run:
        made = job.land(
            lake, settled, who, reason=reason, author=by, clock=run.clock, dry_run=True
        )
        told = {
            "erasure_id": None, "identifiers": len(made.suppressions),
            "types": sorted({one.type for one in made.suppressions}),
            "births_of_others": len(made.births),
        }
        show.answer(told, form, f"would suppress {len(made.suppressions)} identifiers")
        return
    run_id = run.new_run_id()
    kept: dict[str, Any] = {}

    def work() -> dict[str, Any]:
        kept.update(
            job.erase(
                lake, settled, who, reason=reason, author=by, run_id=run_id, clock=run.clock
            )
        )
        return {"erasure_id": kept["erasure_id"], "release": kept["release"]}

    run.recorded(lake, "erase", None, run_id, work)
    show.answer(kept, form, _receipt_text(kept))


@erasures.command("list")
def erasure_list(data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """Every erasure: when, by which release, and until when older versions remain."""
    from jobs.privacy import erase as job
    from jobs.privacy import receipts as kept

    lake = open_lake(data)
    rows = [
        {
            "erasure": one["erasure_id"], "erased_at": one["erased_at"], "release": one["release"],
            "old versions until": one["old_versions"]["until"],
            "completed": one["completed"]["at"] if one["completed"] else "no",
        }
        for one in kept.receipts(lake)
    ]
    rows += [
        {"erasure": Path(one.file).stem, "erased_at": str(one.delivered_at), "release": None,
         "old versions until": "", "completed": "waits for `guiyi erasure resume`"}
        for one in job.waiting(lake)
    ]
    show.rows("erasures", rows, form)


@erasures.command("receipt")
def erasure_receipt(
    erasure_id: Id, data: DataOption = None, form: FormatOption = Format.TEXT
) -> None:
    """The receipt of an erasure; with --format json as it was signed."""
    from jobs.privacy import receipts as kept

    found = kept.receipt(open_lake(data), erasure_id)
    show.answer(found, form, _receipt_text(found))


@erasures.command("resume")
def erasure_resume(data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """Carry out what an earlier run left undone; the next release does so too."""
    from jobs.privacy import erase as job
    from schemas.errors import NothingToDo

    lake, settled, run_id = open_lake(data), settings.read(), run.new_run_id()
    done = job.finish(lake, settled, run_id, run.clock)
    if not done:
        raise NothingToDo("nothing to do: every erasure is carried out")
    show.answer({"erasures": done}, form, "\n".join(done))


@erasures.command("verify")
def erasure_verify(
    erasure_id: Annotated[str | None, typer.Argument(help="Id of an erasure.")] = None,
    receipt: Annotated[
        Path | None, typer.Option("--receipt", help="A receipt as JSON: is it genuine?")
    ] = None,
    values: Values = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Hold a receipt against its signature, and the lake against the receipt; exit 3 on traces."""
    from jobs.privacy import receipts as kept

    lake = open_lake(data)
    found = _given(receipt) if receipt else kept.receipt(lake, erasure_id or "")
    kept.require_genuine(lake, found)
    checks = kept.check(lake, found, _lines(values))
    kept.require_clean(found, checks, is_over=found["completed"] is not None)
    text = "\n".join(["the receipt is genuine", *(f"{k}: {v}" for k, v in checks.items())])
    show.answer({"genuine": True, "checks": checks}, form, text)


@erasures.command("vacuum")
def erasure_vacuum(
    values: Values = None, data: DataOption = None, form: FormatOption = Format.TEXT
) -> None:
    """Throw away old versions whose retention is over, look for traces, complete the receipts."""
    from jobs.privacy import receipts as kept
    from schemas.errors import NothingToDo

    done = kept.vacuum(open_lake(data), run.clock(), _lines(values))
    if not done:
        raise NothingToDo("nothing to do: no erasure waits whose retention is over")
    text = "\n".join(_receipt_text(one) for one in done)
    show.answer({"erasures": done}, form, text)


@subjects.command("export")
def subject_export(
    who: Who,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; default: the standard output.")
    ] = None,
    data: DataOption = None,
) -> None:
    """All that is held about a person, in clear, as JSON for the person to read."""
    from jobs.privacy import subject

    found = subject.everything(open_lake(data), settings.read(), who)
    text = msgspec.json.format(msgspec.json.encode(found, enc_hook=str), indent=2)
    if out is None:
        typer.echo(text.decode())
        return
    subject.write(out, text + b"\n")
    typer.echo(f"written to {out}")


@explain.command("consent")
def explain_consent(
    who: Who, as_of_text: AsOf = None, data: DataOption = None, form: FormatOption = Format.TEXT
) -> None:
    """What a person has allowed, per purpose and channel, with the statements that say so."""
    from pipelines.erasure import veil
    from pipelines.identity import consent as consents
    from pipelines.identity import find_person

    lake = open_lake(data)
    release = lake.release(as_of(as_of_text))
    with veil.reader(lake, release.release_no) as session:
        one_id = find_person(session, who, settings.read().programme.region)
        found = consents.explain_consent(session, one_id, release.cut)
    if form is Format.JSON:
        show.answer(found, form, "")
        return
    show.rows("statements", [
        {name: row[name] for name in ("occurred_at", "purpose", "channel", "status",
                                      "text_version", "source", "event_id")}
        for row in found["statements"]
    ], form)
    show.rows("verdicts", found["verdicts"], form)


def _given(path: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise NotFoundError("there is no such receipt", got=str(path), where="--receipt") from None
    except msgspec.DecodeError as error:
        raise InputError(
            "this is no receipt", expected="JSON", got=str(error), where=str(path)
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get("erasure_id"), str):
        raise InputError("this is no receipt", expected="an erasure_id", got="none",
                         where=str(path))
    return found


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the values cannot be read", expected="text in UTF-8", got=str(error),
                         where=str(path)) from error


def _receipt_text(found: dict[str, Any]) -> str:
    removed, old = found["removed"], found["old_versions"]
    lines = [f"erasure {found['erasure_id']}, carried out in release {found['release']}"]
    lines += [f"  {name}: {count:,} rows" for name, count in removed.get("tables", {}).items()]
    lines += [
        f"  landing, {source}: {told['lines']:,} lines of {told['files']:,} files"
        for source, told in removed.get("landing", {}).items()
    ]
    lines += [f"  export {name}: withdrawn" for name in removed.get("exports", [])]
    lines += [f"  given to others: {name}" for name in removed.get("handed_over", [])]
    if found["completed"]:
        lines.append(f"  old versions: gone since {found['completed']['at']}")
    else:
        lines.append(
            f"  old versions: {len(old['releases'])} releases remain until {old['until']}; "
            "then run `guiyi erasure vacuum`"
        )
    return "\n".join(lines)
