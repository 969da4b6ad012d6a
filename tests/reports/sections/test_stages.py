"""The stages of a run: all of them where they are few, the worst and the longest where they are many."""

from reports.sections.stages import LISTED, by_kind, section


def stage(place, **changes):
    row = {"key": f"k{place}", "kind": "encode", "label": f"encode {place}", "status": "ok", "reused": False}
    return {**row, "seconds": float(place), "reason": "", **changes}


def test_few_stages_are_listed_in_the_order_of_the_run():
    found = section([stage(3), stage(1), stage(2)])
    assert [row["key"] for row in found.listed] == ["k3", "k1", "k2"]
    assert (found.headline, found.kinds, found.left_out) == ("3 stages", [], 0)


def test_of_many_stages_those_that_went_wrong_come_first_and_then_the_longest():
    rows = [stage(place) for place in range(200)]
    rows[5] = stage(5, status="oom", reason="held too much")
    found = section(rows)
    keys = [row["key"] for row in found.listed]
    assert keys == ["k5", *(f"k{place}" for place in range(199, 199 - LISTED + 1, -1))]
    assert (found.headline, found.left_out) == ("200 stages, 1 of them not ok", 200 - LISTED)
    assert [row[:2] for row in found.kinds] == [("encode", "200")]


def test_more_failures_than_places_leave_no_place_for_others():
    found = section([stage(place, status="error") for place in range(LISTED + 5)] + [stage(999)])
    assert len(found.listed) == LISTED
    assert {row["status"] for row in found.listed} == {"error"}


def test_kinds_sum_their_stages():
    rows = [
        stage(1, peak_bytes=1 << 20), stage(2, reused=True, peak_bytes=1 << 21), stage(4, status="oom"),
        stage(8, kind="build"),
    ]  # fmt: skip
    assert by_kind(rows) == [
        ("encode", "3", "1", "1", "7.0", "4.0", "2.00 MiB"),
        ("build", "1", "0", "0", "8.0", "8.0", "–"),
    ]
