"""The only rooms that know a path: landing, Delta tables, releases, snapshots, engines."""
