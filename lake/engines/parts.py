"""The parts that engines stand on: what is here, what is missing, the one command that mends it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lake.engines import jars
from schemas.errors import UsageError

INSTALL = "make engines"
KAFKA_PORT = 9092
"""Where ``guiyi kafka up`` listens unless told otherwise."""
MEMORY_GB = {"kafka": 0.6, "spark": 2.0, "flink": 2.0}
"""What to have free before a start: the broker of development was seen at 0.5 GB under load, the
others are what their JVMs may take. ``memory to spare`` is well with the greatest."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a part, in words."""

    is_well: bool
    says: str


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that engines need; ``of`` names who needs it."""

    name: str
    of: str
    look: Callable[[], Found]
    mend: str


OF_ENGINE: dict[str, tuple[str, ...]] = {
    "spark": ("java 17", "package pyspark"),
    "beam": ("package apache_beam",),
    "flink": ("java 17", "environment flink", "flink jars"),
    "kafka": ("java 17", "package confluent_kafka", "kafka jars"),
}
"""What has to be there before a job starts on an engine, or the broker of development."""


def every() -> list[Part]:
    """All parts, in the order in which they are mended."""
    return [
        Part("java 17", "Kafka, Spark, Flink", _java, "install Java 17 (a JDK or a JRE)"),
        Part("maven", "brings the jars", _maven, "install Maven 3.8"),
        *(
            Part(f"{name} jars", name.capitalize(), partial(_jars, name),
                 f"guiyi engines install {name}")
            for name in jars.ENGINES
        ),
        Part("package confluent_kafka", "Kafka", partial(_package, "confluent_kafka"), INSTALL),
        Part("package pyspark", "Spark", partial(_package, "pyspark"), INSTALL),
        Part("package apache_beam", "Beam", partial(_package, "apache_beam"), INSTALL),
        Part("environment flink", "Flink", _flink, INSTALL),
        Part(f"port {KAFKA_PORT}", "Kafka", partial(_port, KAFKA_PORT),
             "guiyi kafka up --port N, with a port that is free"),
        Part("memory to spare", "Kafka, Spark, Flink", _memory,
             f"end something, so that {max(MEMORY_GB.values()):.0f} GB are free"),
    ]


def require(*names: str) -> None:
    """Nothing when all parts ``names`` are there; else UsageError with what mends the first."""
    known = {part.name: part for part in every()}
    for name in names:
        found = known[name].look()
        if not found.is_well:
            raise UsageError(
                f"{name} is missing", expected=f"{name} (for {known[name].of})", got=found.says,
                todo=f"{known[name].mend}  (`guiyi doctor` lists every part)",
            )


def java() -> str:
    """The program ``java``: that of JAVA_HOME, else that on the path; UsageError without one."""
    home = os.environ.get("JAVA_HOME")
    place = shutil.which("java", path=f"{home}/bin") if home else None
    place = place or shutil.which("java")
    if place is None:
        raise UsageError(
            "java 17 is missing", expected="Java 17", got="no java on the path",
            todo="install Java 17 (a JDK or a JRE)  (`guiyi doctor` lists every part)",
        )
    return place


def flink_python() -> Path:
    """The Python of the second environment: ``GUIYI_FLINK_PYTHON``, or ``.venv-flink`` here."""
    named = os.environ.get("GUIYI_FLINK_PYTHON")
    return Path(named or ".venv-flink/bin/python").absolute()


def _java() -> Found:
    try:
        program = java()
    except UsageError as error:
        return Found(False, error.got)
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    said = (told.stderr or told.stdout).splitlines() or ["?"]
    version = re.search(r'version "(\d+)', told.stderr)
    return Found(version is not None and int(version[1]) >= 17, said[0])


def _maven() -> Found:
    place = shutil.which("mvn")
    return Found(place is not None, place or "no mvn on the path")


def _jars(engine: str) -> Found:
    absent, count = jars.missing(engine), len(jars.declared(engine))
    if absent:
        return Found(False, f"{len(absent)} of {count} missing, e.g. {absent[0]}")
    return Found(True, f"{count} jars")


def _package(name: str) -> Found:
    is_there = importlib.util.find_spec(name) is not None
    return Found(is_there, "installed" if is_there else "not installed")


def _flink() -> Found:
    python = flink_python()
    package = next((python.parent.parent / "lib").glob("python*/site-packages/pyflink"), None)
    if not python.exists() or package is None:
        return Found(False, f"no pyflink for {_shown(python)}")
    return Found(True, _shown(python))


def _port(port: int) -> Found:
    from lake.engines import kafka

    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex((kafka.HOST, port)) != 0:
            return Found(True, "free")
    if _package("confluent_kafka").is_well and kafka.answers(port):
        return Found(True, "a broker answers")
    return Found(False, "taken by something that is no broker")


def _memory() -> Found:
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") / 1e9
    known = Path("/proc/meminfo")
    if known.is_file():
        told = re.search(r"MemAvailable:\s+(\d+) kB", known.read_text())
        free = int(told[1]) * 1024 / 1e9 if told else free
    return Found(free >= max(MEMORY_GB.values()), f"{free:.1f} GB free")


def _shown(place: Path) -> str:
    here = Path.cwd()
    return str(place.relative_to(here) if place.is_relative_to(here) else place)
