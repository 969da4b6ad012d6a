"""A night as the nightly run tells it, with hostile names."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from harness.history.series import Night as Value
from harness.nightly.findings import Finding
from harness.nightly.night import Night
from reports.sections.night_changes import News

HOSTILE = "<script>alert(1)</script>"
START = datetime(2026, 1, 1, tzinfo=UTC)


def histories(folder, count=40):
    """Latencies with a step of 8 % at the 31st of 40 nights, constant bytes, a null control, and a hostile name."""
    rng = np.random.default_rng(3)
    p50 = 1e-3 * (1 + 0.008 * rng.standard_normal(count))
    p50[30:] *= 1.08

    def values(numbers, spread=0.0):
        return [
            Value(f"id{i}", START + timedelta(days=i), f"{i:040x}", "m" if i > 4 else "old", float(v),
                  float(v) * (1 - spread), float(v) * (1 + spread), str(folder / f"n{i}"), "good", i % 3 == 0)
            for i, v in enumerate(numbers)
        ]  # fmt: skip

    return {
        ("alpha", HOSTILE, "latency_total/p50"): values(p50, 0.01),
        ("alpha", HOSTILE, "index_bytes"): values(np.full(count, 1000.0)),
        ("alpha", "t", "index_bytes"): values([1000.0] * 39 + [1030.0]),
        ("alpha", HOSTILE, "smallest_effect/total p50"): values(np.full(count, 0.02)),
    }


def hostile_night():
    """Two regressions, one of them accepted, and one stage that failed."""
    night = Night("id39", "n", (START + timedelta(days=39)).isoformat(), Path("/nowhere"))
    moved = tuple((f"q{i}", 0.5, 0.4) for i in range(8))
    new, old = "b" * 40, "a" * 40
    night.findings = [
        Finding(("alpha", HOSTILE, "ndcg@10"), "changed", f"nDCG of {HOSTILE}: regressed", 0.4, new, old, "", moved),
        Finding(("alpha", "t", "index_bytes"), "changed", "grew\x00", 1030.0, new, old, "wanted & paid for"),
    ]  # fmt: skip
    night.failed = [("build x", "oom: held too much")]
    night.watched = [("alpha", "t", "index_bytes"), ("alpha", "t", "ndcg@10")]
    night.state = "regressed"
    night.since = {"last night": START + timedelta(days=38), "last week": START + timedelta(days=32)}
    changes = [(f"{HOSTILE} on alpha", ["something changed"])]
    night.news = [News("last night", f"The {HOSTILE} was slower.", changes, changes), News("last week", "", [], [])]
    return night
