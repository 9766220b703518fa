from __future__ import annotations

import json
from pathlib import Path

import pytest

from lake import conf
from lake.store import Lake
from schemas.exports import Export
from tests.lakes import guiyi


def test_the_example_is_right() -> None:
    one = conf.load_file(conf.folder() / "examples" / "exports-reference.yml", Export)
    assert one.columns == ["person_no", "phone_tencent_md5", "phone_sha256", "oaid_tencent_md5",
                           "age_band"]


@pytest.mark.slow
def test_an_export_is_run_listed_shown_and_verified(sample_lake: Lake, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.root.mkdir()
    for name in ("tables", "snapshots", "landing"):
        (lake.root / name).symlink_to(sample_lake.root / name)
    name = "beijing_coffee_women"
    first = guiyi("export", "run", name, "--format", "json", data=lake.root)
    assert first.returncode == 0, first.stderr
    done = json.loads(first.stdout)
    assert done["handovers"][0]["state"] == "delivered"
    again = guiyi("export", "run", name, data=lake.root)
    assert again.returncode == 99
    assert done["version"] in guiyi("export", "list", data=lake.root).stdout
    shown = guiyi("export", "show", name, "--format", "json", data=lake.root)
    assert json.loads(shown.stdout)["parts"] == done["parts"]
    assert guiyi("export", "verify", data=lake.root).returncode == 0
    (lake.exports / name / done["version"] / "part-00000.csv").write_text("damaged")
    damaged = guiyi("export", "verify", data=lake.root)
    assert damaged.returncode == 1
    assert "part-00000.csv: 7 bytes" in damaged.stderr
    unknown = guiyi("export", "run", "nothing", data=lake.root)
    assert unknown.returncode == 2
    assert "there is no export 'nothing'" in unknown.stderr
