"""The thirty tags of the benchmark as one DuckDB query, written by hand."""

from __future__ import annotations

from datetime import date

QUERY = """
WITH owner AS (
  SELECT b.bundle_id, b.valid_from, b.valid_to, p.person_no
  FROM bundle_persons b JOIN persons p USING (one_id)
), e AS (
  SELECT o.person_no, e.business_date AS d, e.occurred_at, e.type,
    CASE WHEN e.type = 'product_viewed' THEN e.properties['category'] END AS category,
    CASE WHEN e.type = 'identified' THEN e.properties['city'] END AS city
  FROM events e JOIN owner o ON o.bundle_id = e.bundle_id
    AND e.business_date >= o.valid_from AND e.business_date < o.valid_to
  WHERE e.business_date <= $day
), behaviour AS (
  SELECT person_no, count(*) AS events_ever,
    count(*) FILTER (type = 'product_viewed' AND d > $day - 7) AS views_7d,
    count(*) FILTER (type = 'product_viewed' AND d > $day - 30) AS views_30d,
    count(*) FILTER (type = 'product_viewed' AND d > $day - 90) AS views_90d,
    count(*) FILTER (type = 'product_added' AND d > $day - 7) AS carts_7d,
    count(DISTINCT d) FILTER (d > $day - 30) AS active_30d,
    count(DISTINCT d) FILTER (d > $day - 90) AS active_90d,
    count(*) FILTER (d > $day - 7) > 0 AS is_active,
    arg_max(city, {'at': occurred_at, 'city': city}) FILTER (city IS NOT NULL) AS city,
    count(DISTINCT category) FILTER (d > $day - 30) AS categories_30d
  FROM e GROUP BY person_no
), liked AS (
  SELECT person_no, (max({'n': n, 'rank': -rank, 'category': category})).category AS favourite_90d
  FROM (
    SELECT *, rank() OVER (ORDER BY category) AS rank FROM (
      SELECT person_no, category, count(*) AS n FROM e
      WHERE category IS NOT NULL AND d > $day - 90 GROUP BY ALL)
  ) GROUP BY person_no
), bought AS (
  SELECT o.person_no,
    coalesce(sum(paid_minor) FILTER (business_date > $day - 7), 0)::BIGINT AS paid_7d,
    coalesce(sum(paid_minor) FILTER (business_date > $day - 30), 0)::BIGINT AS paid_30d,
    coalesce(sum(paid_minor) FILTER (business_date > $day - 90), 0)::BIGINT AS paid_90d,
    coalesce(sum(paid_minor) FILTER (business_date > $day - 365), 0)::BIGINT AS paid_365d,
    sum(paid_minor)::BIGINT AS paid_ever,
    coalesce(sum(paid_minor) FILTER (business_date >= date_trunc('month', $day)), 0)::BIGINT
      AS paid_month,
    avg(paid_minor) FILTER (refund_of IS NULL AND business_date > $day - 365) AS basket_365d,
    max(paid_minor) FILTER (refund_of IS NULL AND business_date > $day - 365) AS dearest_365d,
    min(paid_minor) FILTER (refund_of IS NULL) AS cheapest_ever,
    count(DISTINCT order_id) FILTER (refund_of IS NULL AND business_date > $day - 30)
      AS orders_30d,
    count(DISTINCT order_id) FILTER (refund_of IS NULL AND business_date > $day - 90)
      AS orders_90d,
    count(DISTINCT order_id) FILTER (refund_of IS NULL AND business_date > $day - 365)
      AS orders_365d,
    $day - max(business_date) FILTER (refund_of IS NULL) AS recency,
    $day - min(business_date) FILTER (refund_of IS NULL) AS first_order
  FROM order_lines l JOIN owner o ON o.bundle_id = l.bundle_id
    AND l.business_date >= o.valid_from AND l.business_date < o.valid_to
  WHERE l.business_date <= $day GROUP BY o.person_no
), measured AS (
  SELECT p.one_id, p.person_no, b.* EXCLUDE (person_no), k.favourite_90d,
    l.* EXCLUDE (person_no)
  FROM persons p LEFT JOIN behaviour b USING (person_no) LEFT JOIN liked k USING (person_no)
    LEFT JOIN bought l USING (person_no)
), edges AS (
  SELECT quantile_cont(coalesce(paid_365d, 0)::DOUBLE, [0.2, 0.4, 0.6, 0.8]) AS at FROM measured
)
SELECT $day AS business_date, one_id, person_no,
  coalesce(active_30d, 0) AS active_30d, coalesce(active_90d, 0) AS active_90d, basket_365d,
  coalesce(paid_30d, 0) > 15000 AS big_spender, coalesce(carts_7d, 0) AS carts_7d,
  coalesce(categories_30d, 0) AS categories_30d, cheapest_ever, city, dearest_365d,
  coalesce(events_ever, 0) AS events_ever, favourite_90d, first_order,
  coalesce(is_active, false) AS is_active,
  recency > 60 AND coalesce(is_active, false) AS is_lapsed,
  1 + list_sum([(coalesce(paid_365d, 0) > e)::INT FOR e IN edges.at]) AS monetary,
  coalesce(orders_30d, 0) AS orders_30d, coalesce(orders_365d, 0) AS orders_365d,
  coalesce(orders_90d, 0) AS orders_90d, coalesce(paid_30d, 0) AS paid_30d,
  coalesce(paid_365d, 0) AS paid_365d, coalesce(paid_7d, 0) AS paid_7d,
  coalesce(paid_90d, 0) AS paid_90d, coalesce(paid_ever, 0) AS paid_ever,
  coalesce(paid_month, 0) AS paid_month, recency,
  CASE WHEN coalesce(paid_365d, 0) < 10000 THEN 'low'
    WHEN coalesce(paid_365d, 0) < 50000 THEN 'middle' ELSE 'high' END AS spender_band,
  coalesce(views_30d, 0) AS views_30d, coalesce(views_7d, 0) AS views_7d,
  coalesce(views_90d, 0) AS views_90d,
  coalesce(views_90d, 0) / nullif(coalesce(orders_90d, 0), 0) AS views_per_order
FROM measured, edges
"""


def query(day: date) -> str:
    """The query for ``day``."""
    return QUERY.replace("$day", f"DATE '{day}'")
