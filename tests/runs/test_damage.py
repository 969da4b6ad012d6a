"""Damaged run folders: what is wrong is a message that names the file, and never another exception."""

import json
import random

import numpy as np
import pytest

from harness.errors import UserError
from harness.runs import layout
from harness.runs.layout import PARTS
from harness.runs.read import load_run

FILES = (
    layout.RUN, layout.RECORDS, layout.PER_QUERY, layout.LATENCY, layout.CONDITIONS, layout.EXPLAIN, layout.ACTIVE,
    layout.TRAINING,
)  # fmt: skip


def read_all(folder):
    """Everything that a page reads of a folder."""
    run = load_run(folder)
    assert run.disturbed is not None
    for collection, system, _ in run.quality:
        for query in run.quality[collection, system, "ndcg@10"]:
            run.explain(collection, system, query)


def damaged(data, how, rng):
    if how == "cut":
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("how", ["cut", "flip"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_or_changed_is_named_or_does_no_harm(run_folder, name, how):
    rng = random.Random(f"{name} {how}")  # noqa: S311 - not for secrets
    path, data = run_folder / name, (run_folder / name).read_bytes()
    for _ in range(25):
        path.write_bytes(damaged(data, how, rng))
        try:
            read_all(run_folder)
        except UserError as error:
            assert name in str(error)


@pytest.mark.parametrize("line", ["[]", "3", "null", '"text"', '{"system": "s"}'])
@pytest.mark.parametrize("name", [layout.PER_QUERY, layout.CONDITIONS, layout.TRAINING])
def test_a_line_of_another_shape_is_named_with_its_number(run_folder, name, line):
    path = run_folder / name
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[1:]]) + "\n")
    with pytest.raises(UserError, match=rf"{name.replace('.', '[.]')}:2: the line has no"):
        load_run(run_folder)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("change", ["missing", "another kind"])
def test_a_part_that_run_json_lacks_is_named(run_folder, part, change):
    facts = {**json.loads((run_folder / layout.RUN).read_text()), "schema": layout.SCHEMA}
    if change == "missing":
        del facts[part]
    else:
        facts[part] = 7
    (run_folder / layout.RUN).write_text(json.dumps(facts))
    with pytest.raises(UserError, match="not a whole run") as raised:
        load_run(run_folder)
    assert repr(part) in str(raised.value)


@pytest.mark.parametrize("key", ["name", "collection", "status", "reason"])
def test_a_system_without_a_name_or_status_is_named_by_its_number(run_folder, key):
    facts = json.loads((run_folder / layout.RUN).read_text())
    facts["schema"] = 2
    del facts["systems"][3][key]
    (run_folder / layout.RUN).write_text(json.dumps(facts))
    with pytest.raises(UserError, match=f"system 3 has no '{key}'"):
        load_run(run_folder)


@pytest.mark.parametrize("key", ["sentinel", "disturbance", "waited_share"])
def test_a_timed_process_whose_conditions_lack_something_is_named(run_folder, key):
    path = run_folder / layout.CONDITIONS
    first, *others = (json.loads(line) for line in path.read_text().splitlines())
    del first[key]
    path.write_text("".join(json.dumps(row) + "\n" for row in (first, *others)))
    with pytest.raises(UserError, match=f"latency of sparse & co has no whole '{key}'"):
        load_run(run_folder).disturbed  # noqa: B018 - reading it is what is tested


def test_arrays_of_another_length_are_refused(run_folder):
    with np.load(run_folder / layout.LATENCY) as samples:
        arrays = dict(samples)
    arrays["0/query"] = arrays["0/query"][:-1]
    np.savez(run_folder / layout.LATENCY, **arrays)
    with pytest.raises(UserError, match=r"latency\.npz.*the samples cannot be read"):
        load_run(run_folder)


def test_a_folder_without_its_samples_opens_and_one_without_its_records_does_not(run_folder):
    for name in FILES[2:]:
        (run_folder / name).unlink()
    run = load_run(run_folder)
    assert run.records
    assert (run.quality, run.latency, run.training, dict(run.explained), run.active, run.conditions) == ({},) * 5 + (
        [],
    )
    (run_folder / layout.RECORDS).unlink()
    with pytest.raises(UserError, match=r"records\.jsonl"):
        load_run(run_folder)
