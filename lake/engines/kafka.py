"""A real Kafka of one node (KRaft, no ZooKeeper) as a process of this machine.

For development and for the tests; production is an address (docs/engines.md). Everything that it
writes lies below one folder. A lock that the process inherits says whether it lives: a number in
a file may belong to another process by now.
"""

from __future__ import annotations

import base64
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lake import conf
from lake.engines import jars, parts
from schemas.errors import BusyError, GuiyiError, StorageError, UsageError

READY_S, STOP_S = 90.0, 20.0
"""A start takes 3 s on an idle machine, 5 s after a kill; a stop 1 s."""
HOST = "127.0.0.1"
OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC")
QUICK = ("-XX:TieredStopAtLevel=1",)
"""Options for a broker that lives shortly, as in tests: up in half the work, slower later."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a broker; ``pid`` and ``port`` are None while it is down."""

    is_up: bool
    is_ready: bool
    pid: int | None
    port: int | None
    folder: str

    @property
    def address(self) -> str:
        """How topics on it are opened; empty while it is down."""
        return f"kafka://{HOST}:{self.port}" if self.port else ""


class Broker:
    """One node below ``folder`` that listens on ``port`` of this machine.

    ``settings`` are lines of ``server.properties`` on top of those in conf/engines/kafka,
    ``options`` further ones of ``java``.
    """

    def __init__(
        self, folder: Path, port: int, settings: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.folder, self.port = folder.absolute(), port
        self._settings, self._options = dict(settings or {}), tuple(options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """How topics on it are opened."""
        return f"kafka://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """What the process says."""
        return self.folder / "broker.log"

    def up(self, wait_s: float = READY_S) -> None:
        """Start it and return when it answers; one that runs already is left as it is.

        UsageError without Java or jars, or when the port is another's; GuiyiError with the end of
        its log when it dies or does not answer within ``wait_s``.
        """
        parts.require("java 17", "kafka jars", "package confluent_kafka")
        self.folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + wait_s
        lock = _held(self._pid_file)
        if lock is None:
            self._same_port()
        else:
            try:
                self._start(lock)
            finally:
                os.close(lock)
        while not answers(self.port):
            self._still_coming(deadline, wait_s)
            time.sleep(0.1)

    def down(self, wait_s: float = STOP_S) -> bool:
        """End it, in order if it can within ``wait_s``; False when it was not up."""
        if not self._signal(signal.SIGTERM):
            return False
        if not self._gone(wait_s):
            self.kill()
        elif self._archive.is_file() and not shared_classes().is_file():
            fresh = shared_classes().with_suffix(f".{os.getpid()}")
            shutil.move(self._archive, fresh)
            os.replace(fresh, shared_classes())
        return True

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        if self._signal(signal.SIGKILL) and not self._gone(STOP_S):
            raise StorageError(
                "the broker does not end", expected="the end of the process",
                got=f"process {self.status().pid}", where=str(self.folder),
            )

    def status(self) -> Status:
        """Whether it is up, and whether it answers."""
        pid, port = self._running()
        is_ready = port is not None and answers(port)
        return Status(pid is not None, is_ready, pid, port, str(self.folder))

    def wait(self) -> None:
        """Return when it has ended, whoever ended it."""
        while self._lives():
            time.sleep(0.2)
        self._gone(STOP_S)

    @property
    def _pid_file(self) -> Path:
        return self.folder / "broker.pid"

    def _lives(self) -> bool:
        """Whether a process starts or runs here: then somebody holds the lock."""
        lock = _locked(self._pid_file, fcntl.LOCK_SH) if self._pid_file.is_file() else 0
        if lock:
            os.close(lock)
        return lock is None

    def _running(self) -> tuple[int | None, int | None]:
        words = self._pid_file.read_text().split() if self._lives() else []
        return (int(words[0]), int(words[1])) if len(words) == 2 else (None, None)

    def _same_port(self) -> None:
        _, port = self._running()
        if port not in (None, self.port):
            raise UsageError(
                "the broker runs already, on another port", expected=f"port {self.port}",
                got=f"port {port}", where=str(self.folder),
                todo="`guiyi kafka down`, then up again; or use the port that it has",
            )

    def _start(self, lock: int) -> None:
        os.ftruncate(lock, 0)
        _free(self.port)
        properties = self._written()
        path = os.pathsep.join(map(str, jars.paths("kafka")))
        self._format(path, properties)
        self._reap()
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [
                    parts.java(), *OPTIONS, *self._options, self._classes(),
                    f"-Dlog4j2.configurationFile={conf.folder()}/engines/kafka/log4j2.properties",
                    "-cp", path, "kafka.Kafka", str(properties),
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                start_new_session=True, pass_fds=[lock],
            )
        os.pwrite(lock, f"{self._process.pid} {self.port}\n".encode(), 0)

    @property
    def _archive(self) -> Path:
        return self.folder / "classes.jsa"

    def _classes(self) -> str:
        """Java's own archive of loaded classes: with it a start costs half the work.

        The first broker that ends in order leaves it for all; one that does not fit is passed by.
        """
        if shared_classes().is_file():
            return f"-XX:SharedArchiveFile={shared_classes()}"
        return f"-XX:ArchiveClassesAtExit={self._archive}"

    def _written(self) -> Path:
        """The properties of this node; its controller keeps the port it was formatted with."""
        path = self.folder / "server.properties"
        controller = next(
            (
                int(line.rpartition(":")[2])
                for line in (path.read_text().splitlines() if path.is_file() else [])
                if line.startswith("controller.quorum.bootstrap.servers=")
            ),
            None,
        ) or free_port()
        _free(controller)
        listeners = f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller}"
        own = {
            "controller.quorum.bootstrap.servers": f"{HOST}:{controller}",
            "listeners": listeners, "advertised.listeners": listeners,
            "log.dirs": str(self.folder / "data"), **self._settings,
        }
        common = (conf.folder() / "engines" / "kafka" / "server.properties").read_text()
        path.write_text(common + "".join(f"{name}={value}\n" for name, value in own.items()))
        return path

    def _format(self, path: str, properties: Path) -> None:
        if (self.folder / "data" / "meta.properties").is_file():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        done = subprocess.run(
            [
                parts.java(), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                path, "kafka.tools.StorageTool", "format", "--standalone", "--cluster-id",
                # An id that begins with a dash would be taken for an option.
                "A" + cluster[1:], "--config", str(properties),
            ],
            capture_output=True, text=True, check=False, cwd=self.folder,
        )
        if done.returncode:
            raise StorageError(
                "the folder of the broker could not be formatted",
                got=_end(done.stderr or done.stdout), where=str(self.folder),
                todo="free some disk space, or empty that folder, then run again",
            )

    def _still_coming(self, deadline: float, wait_s: float) -> None:
        died = not self._lives()
        if not died and time.monotonic() < deadline:
            return
        if died:
            self._reap()
        else:
            self.kill()
        said = self.log.read_text(errors="replace") if self.log.is_file() else ""
        raise GuiyiError(
            "the broker did not come up", expected=f"an answer within {wait_s:.0f} s",
            got=f"{'its end' if died else 'none'}; its log ends\n{_end(said)}",
            where=str(self.log), todo="mend what the log says, then `guiyi kafka up`",
        )

    def _signal(self, number: signal.Signals) -> bool:
        pid, _ = self._running()
        if pid is None:
            self._gone(0)
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            raise BusyError(
                "the broker belongs to another account", got=f"process {pid}",
                where=str(self.folder), todo="end it as that account",
            ) from error
        return True

    def _gone(self, wait_s: float) -> bool:
        deadline = time.monotonic() + wait_s
        while self._running()[0] is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        self._reap()
        return True

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None


def shared_classes() -> Path:
    """Where the archive of the classes of Kafka lies, beside its jars."""
    return jars.home() / "kafka" / "classes.jsa"


def answers(port: int, wait_s: float = 2.0) -> bool:
    """Whether a broker on ``port`` of this machine tells its topics."""
    if not _listens(port):
        return False
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    settings: dict[str, str | int | float | bool] = {
        "bootstrap.servers": f"{HOST}:{port}", "log_level": 0,
    }
    try:
        told = AdminClient(settings).list_topics(timeout=wait_s)
    except KafkaException:
        return False
    # Right after a start the node may be known and not yet admitted: it takes nothing then.
    return bool(told.brokers)


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _held(path: Path) -> int | None:
    """The lock of ``path`` for a process to inherit; None when a living one has it.

    Who only asks holds a shared lock for an instant, so that it is asked for more than once.
    """
    for _ in range(10):
        handle = _locked(path, fcntl.LOCK_EX)
        if handle is not None:
            return handle
        time.sleep(0.02)
    return None


def _locked(path: Path, kind: int) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} is taken", expected="a free port for the broker",
                got=error.strerror or str(error), where=f"{HOST}:{port}",
                todo="end what listens there, or give another: `guiyi kafka up --port N`",
            ) from error


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _end(said: str, lines: int = 8) -> str:
    """The last lines of a log, without where in the server each exception was."""
    kept = [line for line in said.splitlines() if line.strip() and not line.startswith("\tat ")]
    return "\n".join("    " + line for line in kept[-lines:])
