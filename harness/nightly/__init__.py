"""Regressions: the history's commands, the comparison of runs and of revisions, and the nightly run."""
