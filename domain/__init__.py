"""Pure decisions that several rooms must make alike. No I/O, no clocks."""
