"""``guiyi serve``: the HTTP API over a lake."""

from __future__ import annotations

import os
import socket
import sys
import time
from threading import Thread
from typing import Annotated

import typer

from jobs.show import DataOption
from lake.store import open_lake
from schemas.errors import UsageError

START_S, STOP_S = 60, 20
_LINES = {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}
LOGGING = {
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"console": _LINES, "access": _LINES},
}
"""Standard output is for answers: what the server tells of itself goes beside it."""


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")]
    = 8080,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes.")] = 1,
    data: DataOption = None,
) -> None:
    """Answer calls of the HTTP API until told to stop (Ctrl-C, SIGTERM); see /docs there."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    from jobs.serve import DATA, require_key
    from services.database import open_database

    lake = open_lake(data)
    database = open_database(lake.root)
    require_key(database)
    database.close()
    os.environ[DATA] = str(lake.root.resolve())
    port = _free(host, port)
    server = Server(
        "jobs.serve:application", factory=True, interface=Interfaces.ASGI, address=host,
        port=port, workers=workers, log_access=False, websockets=False,
        workers_kill_timeout=STOP_S, log_level=LogLevels.warning, log_dictconfig=LOGGING,
    )
    server.on_startup(lambda: _tell(host, port))
    server.serve()


def _tell(host: str, port: int) -> None:
    """Say where the server listens, as soon as it does."""
    Thread(target=_told, args=(host, port), daemon=True).start()


def _told(host: str, port: int) -> None:
    for _ in range(START_S * 10):
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
            continue
        shown = f"[{host}]" if ":" in host else host
        sys.stderr.write(f"listening on http://{shown}:{port} (see /docs)\n")
        sys.stderr.flush()
        return


def _free(host: str, port: int) -> int:
    """The port, or a free one for 0; UsageError when somebody else listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise UsageError(
            "this server cannot listen there", expected="a free port of this machine",
            got=error.strerror or str(error), where=f"{host}:{port}",
            todo="choose another with --port, 0 for any",
        ) from error
