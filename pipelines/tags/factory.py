"""The tag factory: all declared tags become one sqlglot tree that gives a wide row per person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce

from sqlglot import exp, parse_one

from pipelines.tags.conditions import Operand, comparison, condition, literal
from pipelines.tags.measures import merged
from pipelines.tags.vocabulary import measured_type, operand, references
from schemas.tag_definitions import Score, Tag


def tag_query(tags: Sequence[Tag], day: date, person_partials: str) -> exp.Select:
    """The tags of ``day`` for every row of ``persons``: keys, then a column per tag by name.

    Reads ``persons``, ``model_scores`` and the table ``person_partials``. First come the
    measures, then tags level by level: each sees those before it, and a score sees the whole
    population of the level below. ``tags`` come from ``declared``.
    """
    known = {tag.name: tag for tag in tags}
    query, previous = exp.select().with_("measured", as_=_measured(tags, day, person_partials)), ""
    for number, level in enumerate(_levels(tags)):
        name = f"level_{number}"
        part = _level(level, known, previous) if number else _with_scores(tags, day)
        query, previous = query.with_(name, as_=part), name
    return query.select(
        exp.alias_(_sql(_day(day)), "business_date"),
        *[exp.column(name, quoted=True) for name in ("one_id", "person_no", *sorted(known))],
    ).from_(previous)


def _levels(tags: Sequence[Tag]) -> list[list[Tag]]:
    height: dict[str, int] = {}
    for tag in tags:
        height[tag.name] = 1 + max((height[name] for name in references(tag)), default=0)
    count = max(height.values(), default=0)
    return [[tag for tag in tags if height[tag.name] == number] for number in range(count + 1)]


def _measured(tags: Sequence[Tag], day: date, person_partials: str) -> exp.Select:
    measures = [
        exp.alias_(merged(tag, day), _raw(tag), quoted=True)
        for tag in tags
        if tag.source is not None
    ]
    return (
        exp.select("p.one_id", "p.person_no", *measures)
        .from_("persons AS p")
        .join(f"{person_partials} AS x", on="x.one_id = p.one_id", join_type="left")
        .group_by("p.one_id", "p.person_no")
    )


def _with_scores(tags: Sequence[Tag], day: date) -> exp.Select:
    query = exp.select("measured.*").from_("measured")
    for number, model in enumerate(sorted({tag.model for tag in tags if tag.model})):
        name = exp.Literal.string(model).sql()
        probability = exp.alias_(exp.column("probability"), f"model {model}", quoted=True)
        scores = exp.select("one_id", probability).from_("model_scores")
        scores = scores.where(f"model = {name} AND business_date = {_day(day)}", dialect="duckdb")
        side = f"scores_{number}"
        query = query.select(exp.column(f"model {model}", table=side, quoted=True)).join(
            scores.subquery(side), on=f"{side}.one_id = measured.one_id", join_type="left"
        )
    return query


def _level(tags: Sequence[Tag], known: dict[str, Tag], previous: str) -> exp.Select:
    values = [exp.alias_(_value(tag, known), tag.name, quoted=True) for tag in tags]
    edges = [
        exp.alias_(_edges(tag, tag.score, known), _edges_name(tag), quoted=True)
        for tag in tags
        if tag.score is not None
    ]
    query = exp.select(f"{previous}.*", *values).from_(previous)
    if not edges:
        return query
    return query.join(exp.select(*edges).from_(previous).subquery("edges"), join_type="cross")


def _raw(tag: Tag) -> str:
    return f"measured {tag.name}"


def _edges_name(tag: Tag) -> str:
    return f"edges {tag.name}"


def _value(tag: Tag, known: dict[str, Tag]) -> exp.Expr:
    """The tag's value: its origin, mapped, turned, and given what stands for the unknown."""
    value, kind = _origin(tag, known)
    if tag.map:
        value = _mapped(value, tag.map)
    if tag.values:
        listed = [exp.Literal.string(text) for text in tag.values]
        value = exp.Case().when(exp.In(this=value.copy(), expressions=listed), value)
    if tag.condition is not None:
        spelling = known[tag.of].map if tag.of else tag.map
        value = comparison(tag.condition, Operand(value, kind, spelling), f"tag {tag.name}")
    elif tag.bands is not None:
        value = _banded(tag, value)
    elif tag.score is not None:
        value = _scored(tag, tag.score, value, known)
    if tag.otherwise is not None:
        stand_in = literal(tag.otherwise, Operand(value, tag.type), f"tag {tag.name}, otherwise")
        value = exp.Coalesce(this=value, expressions=[stand_in])
    return value


def _origin(tag: Tag, known: dict[str, Tag]) -> tuple[exp.Expr, str]:
    where = f"tag {tag.name}"
    if tag.source is not None:
        return exp.column(_raw(tag), quoted=True), measured_type(tag)
    if tag.of is not None:
        return exp.column(tag.of, quoted=True), known[tag.of].type
    if tag.model is not None:
        return exp.column(f"model {tag.model}", quoted=True), "number"
    if tag.rule is not None:
        return exp.paren(condition(tag.rule, lambda n: operand(known, n, where), where)), "boolean"
    if tag.ratio is not None:
        part, whole = (exp.column(name, quoted=True) for name in (tag.ratio.of, tag.ratio.to))
        divisor = exp.Nullif(this=whole, expression=exp.Literal.number(0))
        return exp.Div(this=exp.cast(part, "double"), expression=divisor), "number"
    columns = [exp.column(name, quoted=True) for name in tag.join or []]
    texts: list[exp.Expr] = [exp.cast(column, "varchar") for column in columns]
    return reduce(lambda left, right: exp.DPipe(this=left, expression=right), texts), "text"


def _mapped(value: exp.Expr, spellings: dict[str, str]) -> exp.Expr:
    case = exp.Case()
    for spelling, meant in sorted(spellings.items()):
        case = case.when(
            exp.EQ(this=value.copy(), expression=exp.Literal.string(spelling)),
            exp.Literal.string(meant),
        )
    return case.else_(value)


def _banded(tag: Tag, value: exp.Expr) -> exp.Expr:
    case = exp.Case()
    for band in tag.bands or []:
        inside: exp.Expr = exp.not_(exp.Is(this=value.copy(), expression=exp.null()))
        if band.below is not None:
            inside = exp.LT(this=value.copy(), expression=exp.convert(band.below))
        case = case.when(inside, exp.Literal.string(band.value))
    return case


def _among(tag: Tag, score: Score, known: dict[str, Tag]) -> exp.Expr:
    if score.among is None:
        return exp.true()
    where = f"tag {tag.name}"
    return condition(score.among, lambda name: operand(known, name, where), where)


def _edges(tag: Tag, score: Score, known: dict[str, Tag]) -> exp.Expr:
    """Inner quantiles by linear interpolation (type 7), as a list of ``bands - 1``."""
    value, _ = _origin(tag, known)
    shares = ", ".join(str(number / score.bands) for number in range(1, score.bands))
    among = _among(tag, score, known).sql(dialect="duckdb")
    return _sql(
        f"QUANTILE_CONT(CAST({value.sql(dialect='duckdb')} AS DOUBLE), [{shares}]) "
        f"FILTER (WHERE {among})"
    )


def _scored(
    tag: Tag, score: Score, value: exp.Expr, known: dict[str, Tag]
) -> exp.Expr:
    text, edges = value.sql(dialect="duckdb"), f'"{_edges_name(tag)}"'
    passed = " + ".join(
        f"CASE WHEN {text} > {edges}[{number}] THEN 1 ELSE 0 END"
        for number in range(1, score.bands)
    )
    sign = f"1 + ({passed})" if score.best == "highest" else f"{score.bands} - ({passed})"
    among = _among(tag, score, known).sql(dialect="duckdb")
    return _sql(
        f"CASE WHEN {text} IS NOT NULL AND ({among}) THEN CAST({sign} AS BIGINT) END"
    )


def _day(day: date) -> str:
    return f"CAST('{day.isoformat()}' AS DATE)"


def _sql(text: str) -> exp.Expr:
    return parse_one(text, dialect="duckdb")
