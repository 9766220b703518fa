"""How a step runs on each engine: DuckDB in process, Spark where that is too small."""
