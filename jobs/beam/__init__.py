"""Beam as an engine: deliveries are staged, and bounded ranges of topics landed, by its workers."""
