from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lake.locks import exclusive
from schemas.errors import BusyError

HOLDER = """
import sys, time; from pathlib import Path; from lake.locks import exclusive
with exclusive(Path(sys.argv[1]), "job/2017-01-01"):
    print("held", flush=True); time.sleep(60)
"""


def test_a_second_run_is_told_to_come_back_and_the_lock_dies_with_its_holder(
    tmp_path: Path,
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(BusyError, match=f"process {holder.pid}") as caught,
        exclusive(tmp_path, "job/2017-01-01"),
    ):
        pass
    assert caught.value.exit_code == 75
    with exclusive(tmp_path, "job/2017-01-02"):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with exclusive(tmp_path, "job/2017-01-01", wait_s=5):
        pass
