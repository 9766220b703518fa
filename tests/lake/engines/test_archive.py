"""Our code as one zip: the same bytes each time, and it runs from there."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from lake.engines import archive


def test_the_same_code_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (archive.pack(tmp_path / name).read_bytes() for name in ("a.zip", "b.zip"))
    assert first == second


def test_what_a_worker_imports_comes_out_of_the_zip(tmp_path: Path) -> None:
    code = archive.pack(tmp_path / "guiyi.zip")
    assert "pipelines/ingest/apart.py" in zipfile.ZipFile(code).namelist()
    said = subprocess.run(
        [sys.executable, "-c", "import pipelines.ingest.apart as a, lake.engines.spark\n"
         "print(a.__file__)"],
        env={"PYTHONPATH": str(code)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )
    assert said.stdout.startswith(str(code))
