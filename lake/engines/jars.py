"""The jars of an engine: named by Maven coordinates in ``conf/engines``, held to their sums.

``pom.xml`` says where they come from, ``jars.sha256`` which of them are kept and what they are.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lake import conf
from schemas.errors import StorageError, UsageError

ENGINES = ("kafka", "flink", "spark")


def home() -> Path:
    """Where engines are installed: ``GUIYI_ENGINES``, or ``.engines`` here."""
    return Path(os.environ.get("GUIYI_ENGINES") or ".engines").absolute()


def declared(engine: str) -> dict[str, str]:
    """The jars that ``engine`` needs: file name to SHA-256."""
    listed = (conf.folder() / "engines" / engine / "jars.sha256").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in listed)}


def wrong(engine: str) -> list[str]:
    """Declared jars that are missing, or that are not what their sums say."""
    folder = home() / engine
    return [name for name, digest in declared(engine).items() if _sum(folder / name) != digest]


def missing(engine: str) -> list[str]:
    """Declared jars that are not there; quick, for a look before a job starts."""
    folder = home() / engine
    return [name for name in declared(engine) if not (folder / name).is_file()]


def paths(engine: str) -> list[Path]:
    """The jars of ``engine``; UsageError with the mending command where one is missing."""
    absent = missing(engine)
    if absent:
        raise UsageError(
            f"jars of {engine} are missing",
            expected=f"{len(declared(engine))} jars",
            got=f"{len(absent)} missing, e.g. {absent[0]}",
            where=str(home() / engine),
            todo="make engines (or `guiyi engines install`)",
        )
    return [home() / engine / name for name in declared(engine)]


def install(engine: str) -> int:
    """Fetch the jars of ``engine`` with Maven where they are not there; returns how many came.

    UsageError without Maven, StorageError when a jar is not what its sum says.
    """
    absent = wrong(engine)
    if not absent:
        return 0
    maven = shutil.which("mvn")
    if maven is None:
        raise UsageError(
            f"the jars of {engine} come by Maven, and there is none",
            expected="mvn on the path", got="nothing", todo="install Maven 3.8 and Java 17",
        )
    pom = conf.folder() / "engines" / engine / "pom.xml"
    with tempfile.TemporaryDirectory() as fetched:
        told = subprocess.run(
            [
                maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", str(pom),
                "dependency:copy-dependencies", "-DincludeScope=runtime",
                f"-DoutputDirectory={fetched}",
            ],
            capture_output=True, text=True, check=False,
        )
        if told.returncode:
            said = (told.stdout + told.stderr).strip().splitlines() or ["?"]
            raise StorageError(
                f"Maven could not fetch the jars of {engine}", got=said[0], where=str(pom),
                todo="look at the repositories in Maven's settings.xml, then run again",
            )
        _keep(engine, Path(fetched))
    return len(absent)


def _keep(engine: str, fetched: Path) -> None:
    folder = home() / engine
    folder.mkdir(parents=True, exist_ok=True)
    for name, digest in declared(engine).items():
        got = _sum(fetched / name)
        if got != digest:
            raise StorageError(
                f"{name} is not the jar that was declared", expected=f"sha256 {digest}",
                got=got or "no such file", where=f"conf/engines/{engine}/jars.sha256",
                todo="check the Maven repository; never run it",
            )
        fresh = folder / f"{name}.{os.getpid()}"
        shutil.copyfile(fetched / name, fresh)
        os.replace(fresh, folder / name)


def _sum(path: Path) -> str:
    try:
        with open(path, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
