from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from schemas.errors import UsageError


def call(root: Path, *arguments: str) -> Any:
    done = CliRunner().invoke(
        app, ["access", *arguments, "--data", str(root), "--format", "json"]
    )
    if done.exception:
        raise done.exception
    return json.loads(done.stdout)


def test_a_key_is_made_listed_rotated_revoked_and_all_of_it_noted(tmp_path: Path) -> None:
    token = call(tmp_path, "key", "create", "ann", "--role", "analyst")["key"]
    key_id = token.split("_")[1]
    (row,) = call(tmp_path, "key", "list")["keys"]
    assert (row["key"], row["name"], row["role"]) == (key_id, "ann", "analyst")
    assert token.split("_", 2)[2] not in json.dumps(row)
    assert call(tmp_path, "key", "rotate", key_id)["key"] != token
    call(tmp_path, "key", "revoke", key_id)
    lines = call(tmp_path, "audit")["lines"]
    verbs = ["revoke", "create", "rotate", "create"]
    assert [line["action"] for line in lines] == [f"access.key.{verb}" for verb in verbs]
    assert lines[0]["actor"].endswith("at the command line")


def test_an_unknown_role_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no role 'boss'"):
        call(tmp_path, "key", "create", "ann", "--role", "boss")


def test_a_server_without_a_key_does_not_start_and_says_how_to_make_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["serve", "--data", str(tmp_path), "--port", "0"])
    assert isinstance(done.exception, UsageError)
    assert "guiyi access key create NAME --role admin" in str(done.exception)
