"""The tag factory: all declared tags become one sqlglot tree that gives a wide row per person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce

from sqlglot import exp, parse_one

from pipelines.tags.cells import value, value_type
from pipelines.tags.conditions import Operand, comparison, condition, literal
from pipelines.tags.free_queries import free_query
from pipelines.tags.vocabulary import operand, references, values_of
from pipelines.tags.windows import literal as literal_day
from schemas.tag_definitions import Gives, Score, Stage, Tag


def tag_query(tags: Sequence[Tag], day: date, measures: str = "person_measures") -> exp.Select:
    """The tags of ``day`` for every row of ``persons``: keys, then a column per tag by name.

    Reads ``persons``, ``model_scores`` and the relation ``measures`` of cells by ``person_no``.
    First come the measures, then tags level by level: each sees those before it, and a score sees
    the whole population of the level below. ``tags`` come from ``declared``.
    """
    known = {tag.name: tag for tag in tags}
    query, previous = exp.select().with_("measured", as_=_measured(tags, day, measures)), ""
    for number, level in enumerate(_levels(tags)):
        name = f"level_{number}"
        part = _level(level, known, previous) if number else _with_others(tags, day)
        query, previous = query.with_(name, as_=part), name
    return query.select(
        exp.alias_(_sql(literal_day(day)), "business_date"),
        *[exp.column(name, quoted=True) for name in ("one_id", "person_no", *sorted(known))],
    ).from_(previous)


def _levels(tags: Sequence[Tag]) -> list[list[Tag]]:
    height: dict[str, int] = {}
    for tag in tags:
        height[tag.name] = 1 + max((height[name] for name in references(tag)), default=0)
    count = max(height.values(), default=0)
    return [[tag for tag in tags if height[tag.name] == number] for number in range(count + 1)]


def _measured(tags: Sequence[Tag], day: date, measures: str) -> exp.Select:
    values = [
        exp.alias_(_sql(value(tag, day)), _raw(tag), quoted=True)
        for tag in tags
        if tag.source is not None
    ]
    return (
        exp.select("p.one_id", "p.person_no", *values)
        .from_("persons AS p")
        .join(f"{measures} AS x", on="x.person_no = p.person_no", join_type="left")
    )


def _with_others(tags: Sequence[Tag], day: date) -> exp.Select:
    """The measures with what models and free queries give, each joined as a side of its own."""
    query = exp.select("measured.*").from_("measured")
    sides = [(_model_column(model, gives), scores_query(model, gives, day))
             for model, gives in sorted({(t.model, t.gives) for t in tags if t.model})]
    sides += [(_raw(tag), free_query(tag, day)) for tag in tags if tag.sql is not None]
    for number, (name, side_query) in enumerate(sides):
        side = f"side_{number}"
        query = query.select(exp.alias_(exp.column("value", table=side), name, quoted=True)).join(
            exp.alias_(side_query.subquery(), side),
            on=f"{side}.one_id = measured.one_id", join_type="left",
        )
    return query


def scores_query(model: str, gives: Gives, day: date) -> exp.Query:
    """``one_id`` and ``value``: what a model gave on ``day``."""
    name = exp.Literal.string(model).sql()
    scores = exp.select("one_id", exp.alias_(exp.column(gives), "value")).from_("model_scores")
    return scores.where(f"model = {name} AND business_date = {literal_day(day)}", dialect="duckdb")


def _model_column(model: str | None, gives: Gives) -> str:
    return f"model {model} {gives}"


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
    found, kind = _origin(tag, known)
    if tag.map:
        found = _mapped(found, tag.map)
    if tag.values:
        listed = [exp.Literal.string(text) for text in tag.values]
        found = exp.Case().when(exp.In(this=found.copy(), expressions=listed), found)
    if tag.condition is not None:
        spelling = known[tag.of].map if tag.of else tag.map
        values = values_of(known[tag.of]) if tag.of else values_of(tag)
        found = comparison(tag.condition, Operand(found, kind, spelling, values), f"tag {tag.name}")
    elif tag.bands is not None:
        found = _banded(tag, found)
    elif tag.score is not None:
        found = _scored(tag, tag.score, found, known)
    if tag.otherwise is not None:
        stand_in = literal(tag.otherwise, Operand(found, tag.type), f"tag {tag.name}, otherwise")
        found = exp.Coalesce(this=found, expressions=[stand_in])
    return found


def _origin(tag: Tag, known: dict[str, Tag]) -> tuple[exp.Expr, str]:
    where = f"tag {tag.name}"
    if tag.source is not None:
        return exp.column(_raw(tag), quoted=True), value_type(tag)
    if tag.of is not None:
        return exp.column(tag.of, quoted=True), known[tag.of].type
    if tag.model is not None:
        given = exp.column(_model_column(tag.model, tag.gives), quoted=True)
        return given, "text" if tag.gives == "label" else "number"
    if tag.stages is not None:
        return _staged(tag, tag.stages, known), "text"
    if tag.sql is not None:
        return _as_type(exp.column(_raw(tag), quoted=True), tag), tag.type
    if tag.rule is not None:
        return exp.paren(condition(tag.rule, lambda n: operand(known, n, where), where)), "boolean"
    if tag.ratio is not None:
        part, whole = (exp.column(name, quoted=True) for name in (tag.ratio.of, tag.ratio.to))
        divisor = exp.Nullif(this=whole, expression=exp.Literal.number(0))
        return exp.Div(this=exp.cast(part, "double"), expression=divisor), "number"
    columns = [exp.column(name, quoted=True) for name in tag.join or []]
    texts: list[exp.Expr] = [exp.cast(column, "varchar") for column in columns]
    return reduce(lambda left, right: exp.DPipe(this=left, expression=right), texts), "text"


def _staged(tag: Tag, stages: Sequence[Stage], known: dict[str, Tag]) -> exp.Expr:
    """The last stage whose condition is true; an unknown condition is not true."""
    where, case = f"tag {tag.name}", exp.Case()
    for stage in reversed(stages):
        holds = condition(stage.when, lambda name: operand(known, name, where), where)
        case = case.when(holds, exp.Literal.string(stage.value))
    return case


def _as_type(value: exp.Expr, tag: Tag) -> exp.Expr:
    kinds = {
        "boolean": "BOOLEAN", "integer": "BIGINT", "number": "DOUBLE", "text": "VARCHAR",
        "date": "DATE", "texts": "VARCHAR[]",
    }
    return exp.cast(value, exp.DataType.build(kinds[tag.type], dialect="duckdb"))


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


def _sql(text: str) -> exp.Expr:
    return parse_one(text, dialect="duckdb")
