"""The commands that look and change nothing: plan, list, schema, doctor, pin."""

import json
import re
from pathlib import Path

import pytest
from commands import call, refused
from stored import keep

from harness.measure.machine import doctor
from harness.metrics import METRICS
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.store.local import Store

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_plan_lists_the_stages_and_does_nothing(here):
    answer = call("plan", "small.toml")
    assert (answer.code, answer.err) == (0, "")
    fetched, stored, folded = answer.out.splitlines()
    head, *rows, fetched, stored, left = call("plan", "small.toml", "--all").out.splitlines()
    assert folded == f"{left} --all lists them, and --probe measures samples."
    assert head.split() == ["key", "stage", "time", "from", "to", "memory", "basis"]
    assert fetched == "Nothing is fetched."
    stages = json.loads(call("plan", "small.toml", "--json").out)
    assert [row.split()[0] for row in rows] == [stage["key"][:12] for stage in stages]
    assert all(row.endswith("unknown") for row in rows)
    times = ["seconds", "peak_bytes", "disk_bytes", "low_seconds", "high_seconds", "runs"]
    assert list(stages[0]) == ["key", "kind", "label", "basis", *times]
    assert stored == f"0 of {len(stages)} stages are stored."
    kinds = ", ".join(dict.fromkeys(stage["kind"] for stage in stages))
    assert left == (
        f"{len(stages)} stages are of kinds that never ran with this store ({kinds}): what they take is not known."
    )
    assert not list((here / ".laconic-bench").rglob("manifest.json"))


def test_plan_says_what_is_stored_and_guesses_from_what_stages_took(here):
    stages = json.loads(call("plan", "small.toml", "--json").out)
    store = Store(here / ".laconic-bench")
    keep(store, stages[0]["key"], kind="prepare")
    taken = {"kind": stages[1]["kind"], "label": stages[1]["label"], "seconds": 65.0, "peak_bytes": 5 << 20}
    other = {"kind": stages[2]["kind"], "label": "of another", "seconds": 8, "peak_bytes": 1, "disk_bytes": 0}
    rows = [
        {**taken, "disk_bytes": 3 << 20},
        {**taken, "seconds": 45.0, "disk_bytes": 0},
        other,
        {**other, "seconds": 4},
    ]
    lines = [json.dumps({"disk_bytes": 0, **row}) for row in (rows[1], rows[0], *rows[2:])]
    (store.root / "timings.jsonl").write_text("\n".join([*lines, "broken"]))
    _, first, second, third, *_, estimate, medians, unknown = call("plan", "small.toml").out.splitlines()
    assert first.endswith("stored")
    assert re.search(r"1:05 +0:45 +1:05 +5 MiB  the same stage before \(2 times\)$", second)
    assert re.search(r"0:06 +0:04 +0:08 +0 MiB  stages of this kind before \(2 times\)$", third)
    others = len(stages) - 1
    assert estimate == (
        f"Estimate for 2 of the other {others}, one after another: 1:11 of time (from 0:49 to 1:13), 5 MiB of memory "
        "at most, 3 MiB of disk."
    )
    assert medians.startswith("1 of these times are medians over stages of the same kind")
    assert unknown.startswith(f"{len(stages) - 3} stages are of kinds that never ran")


def test_plan_of_one_system_has_its_stages_alone(here):
    message = refused("plan", "small.toml", "--only", "nobody")
    assert "there is no such system" in message
    assert len(call("plan", "small.toml", "--only", "s", "--all").out.splitlines()) > 3


def test_lists_are_what_the_registries_have(here):
    for axis in ("collections", "encoders", "indexes", "measurements"):
        names = getattr(REGISTRIES, axis).names()
        assert json.loads(call("list", axis, "--json").out) == names
        head, *rows = call("list", axis).out.splitlines()
        assert head.split() == ["name", "what", "it", "is"]
        assert [row.split()[0] for row in rows] == names
        assert all(len(row.split()) > 1 for row in rows)
    lists = json.loads(call("list", "--json").out)
    assert {"encoders", "metrics", "experiments"} < set(lists)
    assert call("list").out.splitlines() == [f"laconic-bench list {what}" for what in lists]
    assert json.loads(call("list", "metrics", "--json").out) == list(METRICS)
    assert "nDCG@10 (fraction)" in call("list", "metrics").out


def test_a_type_is_listed_with_its_keys(here):
    head, first, *_ = [row.split(None, 3) for row in call("list", "indexes", "faiss").out.splitlines()[1:]]
    assert head == ["key", "takes", "default", "what it is"]
    assert first[:3] == ["factory", "text", "needed"]
    rows = json.loads(call("list", "encoders", "bm25", "--json").out)
    assert [row["key"] for row in rows] == list(REGISTRIES.encoders.get("bm25").Params.model_fields)
    assert all(row["description"] for row in rows)


def test_only_what_has_keys_is_listed_with_them(here):
    assert "remedy: leave out 'x'" in refused("list", "metrics", "x")
    assert "did you mean 'faiss'" in refused("list", "indexes", "fais")


def test_shipped_specs_are_listed_and_named_without_a_path(here):
    rows = [row.split(None, 1) for row in call("list", "experiments").out.splitlines()]
    assert ["quickstart", "Learned sparse against dense retrieval on docstrings"] in rows
    assert call("plan", "quickstart", "--json").out == call("plan", EXPERIMENTS / "quickstart.toml", "--json").out
    message = refused("plan", "quikstart")
    assert "quikstart: there is no such file and no shipped spec of this name" in message
    assert "did you mean 'quickstart'" in message


def test_a_list_that_there_is_not_names_the_nearest(here):
    message = refused("list", "encoder")
    assert "there is no list of 'encoder'" in message
    assert "did you mean 'encoders'" in message


def test_the_schema_is_one_of_json_schema(here):
    answer = call("schema")
    assert json.loads(answer.out)["$schema"].startswith("https://json-schema.org/")


@pytest.mark.parametrize(("level", "code"), [("ok", 0), ("warn", 0), ("bad", 1)])
def test_doctor_fails_where_something_is_bad(monkeypatch, level, code):
    findings = [doctor.Finding("ok", "cores", "4 usable"), doctor.Finding(level, "swap", "5 MiB", "free memory")]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    answer = call("doctor")
    assert answer.code == code
    assert answer.out.splitlines() == [
        "level  what   reading   remedy",
        "ok     cores  4 usable",
        f"{level:5}  swap   5 MiB     free memory",
    ]
    found = json.loads(call("doctor", "--json").out)
    assert found[1] == {
        "level": level, "what": "swap", "reading": "5 MiB", "remedy": "free memory", "found": "5 MiB",
    }  # fmt: skip


def test_pin_says_that_nothing_moves(here):
    assert call("pin", "small.toml").out == "every model is pinned, or lies in a folder or a wheel\n"


@pytest.mark.parametrize("command", [(), ("run",), ("compare",), ("report",), ("history", "add")])
def test_help_says_in_words_what_options_take(command, here):
    shown = call(*command, "--help").out
    assert not re.search(r"[<>]|\b(str|bool|list\[|Path|Optional|range)\b", shown.replace(">=", "")), shown
