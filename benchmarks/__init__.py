"""One module per performance claim, each beside its rival in the same run."""
