"""All that the models of a release ask of one date, computed in one pass and kept for them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
import numpy as np
import pyarrow as pa

from lake.draft import Draft
from models import dataset, outcomes
from models.samples import Flags, Matrix, Sample
from schemas.model_definitions import Feature, Model

Features = Callable[[str, Mapping[str, Feature], date], str]
"""What ``dataset.features`` is: relation, wanted features, date → query."""

NOW, DRAWN = "scoring_moment", "_drawn"
# Not DuckDB's own hash(), which another version may compute otherwise.
DRAW = "CAST('0x' || left(md5(f.one_id), 8) AS BIGINT) / 4294967296.0 AS draw"


def identity_of(feature: Feature) -> str:
    """What a feature asks for, whatever it is called: equal for two that share a column."""
    plain = msgspec.to_builtins(feature)
    return msgspec.json.encode({**plain, "name": "", "transform": ""}, order="sorted").decode()


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of the drawn persons at the end of ``day``: a column per wanted number."""

    day: date
    one_ids: list[str]
    columns: dict[str, Matrix]

    def share(self, of: float) -> Flags:
        """Marks the persons whose draw is below ``of``: the same ones at every date."""
        found: Flags = self.columns["draw"] < of
        return found


class Moments:
    """The dates that ``definitions`` look at, each computed once.

    ``relation`` are partials by person, see ``dataset.person_partials``.
    """

    def __init__(
        self,
        draft: Draft,
        relation: str,
        definitions: Sequence[Model],
        features: Features = dataset.features,
    ) -> None:
        self.draft, self.relation, self._features = draft, relation, features
        self.definitions = list(definitions)
        self._columns: dict[str, str] = {}
        self._wanted: dict[str, Feature] = {}
        for feature in (f for model in definitions for f in (model.population, *model.features)):
            self._columns.setdefault(identity_of(feature), f"f{len(self._columns)}")
            self._wanted[self.column(feature)] = feature
        ((count,),) = draft.session.rows("SELECT count(*) FROM persons")
        self._count_persons = max(1, int(str(count)))
        self._share = max((self.share_of(model) for model in definitions), default=1.0)
        self._kept: dict[date, Moment] = {}
        for number, model in enumerate(self.definitions):
            self._keep_lines(model, lines_of(number))

    def column(self, feature: Feature) -> str:
        """The column that holds a feature."""
        return self._columns[identity_of(feature)]

    def columns_of(self, model: Model) -> dict[str, str]:
        """What a model reads: the names of its features, each with its column."""
        found = {feature.name: self.column(feature) for feature in model.features}
        if model.choice is not None:
            lines = lines_of(self.definitions.index(model))
            found |= {name: f"{lines} {name}" for name in outcomes.habit_names(model.choice)}
        return found

    def share_of(self, model: Model) -> float:
        """The share of all persons that a model's samples draw."""
        return min(1.0, model.sample_persons / self._count_persons)

    def keep_now(self) -> str:
        """Make all persons at the draft's date a temporary table; ``row_no`` is by ``one_id``.

        The numbers come from a narrow sort: one of wide rows takes as long as computing them.
        """
        query = self._query(self.draft.business_date)
        self.draft.session.execute(
            f"CREATE OR REPLACE TEMP TABLE {NOW} AS SELECT n.row_no, q.* FROM ({query}) AS q "
            "JOIN (SELECT one_id, row_number() OVER (ORDER BY one_id) AS row_no FROM persons) AS n "
            "ON n.one_id = q.one_id"
        )
        return NOW

    def at(self, day: date) -> Moment:
        """The drawn persons at the end of ``day``."""
        if day not in self._kept:
            is_now = day == self.draft.business_date
            self._kept[day] = (
                _read(self.draft, f"SELECT * EXCLUDE row_no FROM {NOW} WHERE draw < {self._share}",
                      day)
                if is_now else self._moment(day, self._share)
            )
        return self._kept[day]

    def known_at(self, day: date, count: int) -> Moment:
        """As ``at``, of about ``count`` persons and as if nothing after ``day`` had happened."""
        share = min(self._share, count / self._count_persons)
        return self._moment(day, share, f"business_date <= DATE '{day}'")

    def drop(self) -> None:
        """Remove the temporary tables of order lines; what ``keep_now`` made stays."""
        for name in self._lines():
            self.draft.session.execute(f"DROP TABLE IF EXISTS {name}")

    def sample(self, model: Model, day: date) -> Sample:
        """A model's rows at ``day``: who is in its population, with features and no outcome yet."""
        moment = self.at(day)
        names = self.columns_of(model)
        chosen = moment.share(self.share_of(model))
        chosen &= moment.columns[self.column(model.population)] > 0
        columns = [moment.columns[name] for name in names.values()]
        x = np.column_stack(columns) if columns else np.empty((len(moment.one_ids), 0))
        whole = Sample(day, moment.one_ids, list(names), x, np.zeros(len(x)))
        return whole.only(chosen)

    def _lines(self) -> list[str]:
        return [lines_of(n) for n, model in enumerate(self.definitions) if model.choice]

    def _keep_lines(self, model: Model, name: str) -> None:
        if model.choice is None:
            return
        earliest = max([*model.train_offsets_days, model.calibration_offset_days])
        last = self.draft.business_date
        first = last - timedelta(days=earliest + max(model.choice.lookbacks_days))
        outcomes.keep_lines(self.draft, model.choice, first, last, name)

    def _moment(self, day: date, share: float, known: str = "true") -> Moment:
        session, bound = self.draft.session, f"{int(share * 2**32):08x}"
        keys = {self.relation: "person_no"} | dict.fromkeys(self._lines(), "one_id")
        for name, key in keys.items():
            drawn = f"SELECT {key} FROM persons WHERE left(md5(one_id), 8) < '{bound}'"
            session.execute(
                f"CREATE OR REPLACE TEMP VIEW {name}{DRAWN} AS SELECT * FROM {name} WHERE {known}"
                + (f" AND {key} IN ({drawn})" if share < 1 else "")
            )
        found = _read(self.draft, self._query(day, DRAWN), day)
        for name in keys:
            session.execute(f"DROP VIEW {name}{DRAWN}")
        return found

    def _query(self, day: date, suffix: str = "") -> str:
        """Everything asked of ``day``; all that is read is called as ever, with ``suffix``."""
        selected, sides = ["f.*", DRAW], []
        for number, model in enumerate(self.definitions):
            if model.choice is None:
                continue
            lines, side = lines_of(number), f"h{number}"
            sides.append(
                f"LEFT JOIN ({outcomes.habits(lines + suffix, model.choice, day)}) AS {side} "
                f"ON {side}.one_id = f.one_id"
            )
            selected += [
                f'CAST(coalesce({side}."{name}", 0) AS DOUBLE) AS "{lines} {name}"'
                for name in outcomes.habit_names(model.choice)
            ]
        query = self._features(self.relation + suffix, self._wanted, day)
        return f"SELECT {', '.join(selected)} FROM ({query}) AS f {' '.join(sides)}"


def lines_of(number: int) -> str:
    """The temporary table of what was ordered by the classes of a model."""
    return f"lines_by_class_{number}"


def _read(draft: Draft, query: str, day: date) -> Moment:
    # Sorted here: DuckDB takes as long to sort wide rows as to compute them.
    table = draft.session.table(query).sort_by("one_id")
    return Moment(day, table["one_id"].to_pylist(), numbers(table))


def numbers(table: pa.Table) -> dict[str, Matrix]:
    """The columns of a table but its persons, as floats; unknown is NaN."""
    return {
        name: table[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in table.column_names
        if name != "one_id"
    }
