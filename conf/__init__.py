"""Definitions as data; ``base`` is packaged, ``local`` overrides it and is not committed."""
