"""Evidence on two systems, a and b, of one collection, and claims about them."""

from harness.claims import Evidence
from harness.records import record
from harness.spec.claim import ClaimSpec


def evidence(ours, theirs, metric="index_bytes", interval=None, **more):
    rows = {
        ("c", name, metric): record("r", "c", name, metric, value, method="engine", interval=interval)
        for name, value in (("a", ours), ("b", theirs))
    }
    return Evidence(rows, {("c", "a"): ("ok", ""), ("c", "b"): ("ok", "")}, **more)


def claim(metric="index_bytes", **relation):
    return ClaimSpec(name="claim", metric=metric, system="a", baseline="b", **relation)
