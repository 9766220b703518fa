"""The meaning of every word: tables, definitions, errors. Nothing here reads, writes or decides."""
