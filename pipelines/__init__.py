"""Steps: pure transformations, tables in, tables out; `world` makes the sample."""
