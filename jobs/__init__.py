"""The composition root: the command line, the jobs, and what a run does in which order."""
