"""``guiyi explain`` on the command line: text, JSON and a drawn graph."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from lake.store import Lake
from schemas.errors import NotFoundError
from tests.pipelines.identity.conftest import Publish, lake, publish, rules
from tests.pipelines.identity.worlds import RECYCLED, device, phone, user

__all__ = ["lake", "publish", "rules"]


@pytest.fixture
def recycled(lake: Lake, publish: Publish) -> Lake:
    publish(RECYCLED, 200)
    return lake


def told(lake: Lake, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["explain", *arguments, "--data", str(lake.root)])
    assert done.exit_code == 0, done.output
    return done.output


def test_what_keeps_two_apart_is_told_in_each_form(recycled: Lake, tmp_path: Path) -> None:
    ends = ["link", device("anna")[1], ":".join(device("bert"))]
    assert "phone +86139****0001 changed hands: until 2017-04-10" in told(recycled, *ends)
    found = json.loads(told(recycled, *ends, "--format", "json"))
    assert (found["is_joined"], found["reasons"][0]["why"]) == (False, "handover")
    page = told(recycled, *ends, "--format", "html")
    assert page.startswith("<!doctype html>")
    assert phone(1)[1] not in page
    out = tmp_path / "link.html"
    assert told(recycled, *ends, "--format", "html", "--out", str(out)) == ""
    assert out.read_text() == page
    assert phone(1)[1] in told(recycled, *ends, "--format", "html", "--clear")


def test_a_person_is_told_in_each_form(recycled: Lake) -> None:
    who = ["person", user("anna")[1]]
    assert "handover, theirs until 2017-04-10" in told(recycled, *who)
    assert len(json.loads(told(recycled, *who, "--format", "json"))["identifiers"]) == 4
    page = told(recycled, *who, "--format", "html")
    assert page.count("<circle") == 5, "and whose the phone is now"


def test_both_look_into_an_older_release(recycled: Lake, publish: Publish) -> None:
    publish(RECYCLED[:5], 201)
    ends = ["link", user("anna")[1], phone(1)[1], "--as-of", "1"]
    assert "until 2017-04-10" in told(recycled, *ends)


def test_an_unknown_identifier_is_an_error(recycled: Lake) -> None:
    called = ["explain", "link", "nobody", user("anna")[1], "--data", str(recycled.root)]
    done = CliRunner().invoke(app, called)
    assert isinstance(done.exception, NotFoundError)
