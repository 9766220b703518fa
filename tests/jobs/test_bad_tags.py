"""A wrong tag or model stops a release with its place, and nothing of the release is seen."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from jobs import release, settings
from lake import conf, snapshots
from lake.store import Lake, open_lake
from schemas.errors import ConfigError, GuiyiError, NotFoundError, StorageError
from tests.lakes import contents
from tests.pipelines.ingest.feeds import AT, File, app, app_event

pytestmark = pytest.mark.slow
FIRST, SECOND = date(2017, 3, 1), date(2017, 3, 2)
BEFORE = datetime(2017, 3, 1, 15, 30, tzinfo=UTC)
HEAD = "  - {name: bad, label: x, kind: rule, "
COUNT = "from: events, measure: count, window: ever"
BAD_TAGS = {
    "unknown event": (
        f"type: integer, {COUNT}, types: [page_veiwed]}}", "did you mean `page_viewed`?"
    ),
    "window of -1": (
        "type: integer, from: events, measure: count, window: {last: -1 d}}", "{last: 30 d}"
    ),
    "cycle": (
        f"type: integer, of: worse}}\n{HEAD.replace('bad', 'worse')}type: integer, of: bad}}",
        "take one of these references out",
    ),
    "type clash": (f"type: text, {COUNT}}}", "declare `type: integer`"),
    "unknown tag": ("type: integer, of: citty}", "did you mean `city`?"),
    "unknown table": (
        "type: integer, sql: 'SELECT one_id, 1 AS value FROM person'}", "guiyi table sql"
    ),
}


@dataclass
class Place:
    """A lake with one release and what waits for the next, under definitions of its own."""

    lake: Lake
    conf: Path
    before: object

    def publish(self, day: date) -> None:
        settled = settings.read(self.conf)
        release.publish(self.lake, settled, day, "run", lambda: datetime(2018, 1, 1, tzinfo=UTC))

    def define(self, folder: str, name: str, text: str) -> Path:
        path = self.conf / "local" / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def pin(self, version: str) -> None:
        text = (self.conf / "base" / "models" / "churn.yml").read_text(encoding="utf-8")
        self.define("models", "churn.yml", f"{text}pinned: '{version}'\n")

    def refused(self, kind: type[GuiyiError]) -> GuiyiError:
        """The error of the second date's run, which leaves all as it was."""
        with pytest.raises(kind) as told:
            self.publish(SECOND)
        assert seen(self.lake) == self.before
        assert told.value.todo
        return told.value


def seen(lake: Lake) -> object:
    """All that a reader of tables or snapshots sees."""
    pointers = sorted(lake.snapshots.glob("*/current"))
    return (
        [one.versions for one in lake.releases()],
        contents(lake),
        {path.parent.name: path.read_text() for path in pointers},
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One release, and what it looks like from outside."""
    lake = open_lake(tmp_path_factory.mktemp("bad") / "lake", create=True)
    early = app(app_event("m1"), app_event("m2", anonymousId="d2"))
    late = app(
        app_event("m3", originalTimestamp="2017-03-02T01:00:00.000Z",
                  sentAt="2017-03-02T01:00:01.000Z", receivedAt="2017-03-02T01:00:01.500Z"),
        path="app_events/2017-03-02/09.jsonl.gz",
    )
    lake.landing.receive([
        File("app_events", early.path, early.content, BEFORE),
        File("app_events", late.path, late.content, AT),
    ])
    Place(lake, conf.folder(), None).publish(FIRST)
    return Place(lake, conf.folder(), seen(lake))


@pytest.fixture
def place(published: Place, tmp_path: Path) -> Place:
    shutil.copytree(conf.folder(), tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    (tmp_path / "conf" / "local").mkdir()
    return Place(published.lake, tmp_path / "conf", published.before)


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize(("body", "todo"), BAD_TAGS.values(), ids=BAD_TAGS)
def test_a_wrong_tag_stops_the_release_with_file_and_line(
    place: Place, body: str, todo: str
) -> None:
    path = place.define("tags", "bad.yml", f"tags:\n{HEAD}{body}\n")
    error = place.refused(ConfigError)
    file, line, *_ = error.where.split(" ")[0].split(":")
    assert (file, line) in [(str(path), "2"), (str(path), "3")]
    assert todo in error.todo
    assert error.expected
    assert error.got


def test_two_tags_of_one_name_are_told_with_both_places(place: Place) -> None:
    path = place.define("tags", "bad.yml", f"tags:\n{HEAD.replace('bad', 'city')}of: age_years,"
                                           " type: integer}\n")
    error = place.refused(ConfigError)
    assert str(error).startswith("two tags are called 'city'")
    said = error.got + error.where
    assert f"{path}:2" in said
    assert "person.yml:" in said


def test_a_published_tag_of_another_type_is_found_after_the_days_work_and_leaves_nothing(
    place: Place,
) -> None:
    orders = (place.conf / "base" / "tags" / "orders.yml").read_text(encoding="utf-8")
    boolean = f"{HEAD.replace('bad', 'is_big_spender_30d')}type: integer, {COUNT}}}\n"
    begin = orders.index("  - name: is_big_spender_30d")
    end = orders.index("  - name:", begin + 1)
    place.define("tags", "orders.yml", orders[:begin] + boolean + orders[end:])
    error = place.refused(ConfigError)
    assert "is_big_spender_30d changed its type" in str(error)
    assert "new name" in error.todo


def stored(content: bytes) -> dict[str, bytes]:
    return {"model.json": content, "summary.json": b"{}", "card.md": b""}


def test_a_pinned_model_with_a_flipped_byte_stops_the_release(place: Place) -> None:
    version = snapshots.keep(place.lake.snapshots, "churn", stored(b'{"format": 2}'))
    path = place.lake.snapshots / "churn" / version / "model.json"
    path.write_bytes(b'{"format": 3}')
    place.pin(version)
    error = place.refused(StorageError)
    assert error.where == str(path)
    shutil.rmtree(path.parent)


def test_a_pinned_model_file_of_another_version_stops_the_release(place: Place) -> None:
    content = json.dumps({"format": 1, "names": [], "weights": []}).encode()
    place.pin(snapshots.keep(place.lake.snapshots, "churn", stored(content)))
    error = place.refused(StorageError)
    assert (error.expected, error.got) == ("format 2", "format 1")
    assert "pinned" in error.todo


def test_a_pinned_version_that_is_not_there_stops_the_release(place: Place) -> None:
    place.pin("0123456789abcdef")
    assert place.refused(NotFoundError).expected == "version 0123456789abcdef"


def test_with_the_definitions_in_order_the_date_is_published(place: Place) -> None:
    place.publish(SECOND)
    assert [one.business_date for one in place.lake.releases()] == [FIRST, SECOND]
