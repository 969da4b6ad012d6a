"""Regressions: the history's commands, the comparison of runs and of revisions, and the nightly run."""

PAIRS = 12
"""Pairs of fresh processes: they are what the interval of a comparison of two revisions rests on."""
ROUNDS = 15
"""Passes of each process."""
