"""``guiyi``: the command line. Errors read as sentences, exit codes follow the job contract."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from typing import Annotated, NoReturn

import duckdb
import typer

from jobs import show
from jobs.commands import (
    access,
    audiences,
    engines,
    exports,
    fuzzy,
    generate,
    identity,
    identity_rules,
    jobs,
    lake,
    lists,
    models,
    people,
    privacy,
    quality,
    quarantine,
    serve,
    stream_whole,
    streaming,
    tags,
    topics,
    whole,
)
from jobs.progress import start_logging
from jobs.run import STOPPED, is_stop
from schemas.errors import GuiyiError, NothingToDo

app = typer.Typer(
    name="guiyi",
    help="Guiyi: raw events of every source become one person, tags, audiences and action.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show tracebacks and debug lines.")
    ] = False,
) -> None:
    """Options of every command."""
    start_logging(verbose)


app.command("run")(whole.run)
app.command("generate")(generate.generate)
app.command("land")(generate.land)
app.command("timeline")(people.timeline)
app.command("report")(whole.report)
app.command("quality")(quality.quality)
app.command("serve")(serve.serve)
app.command("erase")(privacy.erase)
app.command("doctor")(quality.doctor)
app.add_typer(people.explain, name="explain")
app.add_typer(jobs.app, name="job")
app.add_typer(identity.app, name="identity")
identity.app.command("match")(fuzzy.match)
identity.app.add_typer(identity_rules.app, name="rules")
app.add_typer(tags.app, name="tag")
app.add_typer(models.app, name="model")
app.add_typer(exports.app, name="export")
app.add_typer(audiences.app, name="audience")
app.add_typer(lists.app, name="list")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(topics.app, name="topic")
streaming.app.command("run")(stream_whole.stream_run)
app.add_typer(streaming.app, name="stream")
app.add_typer(lake.tables, name="table")
app.add_typer(lake.releases, name="release")
app.add_typer(access.app, name="access")
app.add_typer(privacy.erasures, name="erasure")
app.add_typer(privacy.subjects, name="subject")
app.add_typer(engines.app, name="engines")
app.add_typer(engines.kafka, name="kafka")


def main() -> None:
    """Run the command line; an error of ours is a message and its exit code, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app()
    except NothingToDo as outcome:
        show.failed(outcome)
        print(outcome, file=sys.stderr)  # noqa: T201
        sys.exit(outcome.exit_code)
    except GuiyiError as error:
        show.failed(error)
        _tell(str(error))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, duckdb.InterruptException):
        _stopped()
    except RuntimeError as error:
        if not is_stop(error):
            raise
        _stopped()
    except duckdb.Error as error:
        _tell(f"a query failed\n  got: {str(error).strip()}")
        sys.exit(1)
    except (OSError, MemoryError) as error:
        _tell(f"the machine refused\n  got: {error}\n  do: see `guiyi doctor`")
        sys.exit(1)
    except SystemExit as end:
        # Typer makes this of a Ctrl-C, and says nothing.
        if end.code == STOPPED:
            _stopped()
        raise


def _stopped() -> NoReturn:
    _tell("stopped; nothing half done is visible, run again to go on")
    sys.exit(STOPPED)


def _tell(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        traceback.print_exc()


if __name__ == "__main__":
    main()
