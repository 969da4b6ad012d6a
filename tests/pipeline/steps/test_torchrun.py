"""Training in two processes over gloo gives the model of one process."""

import os
import socket
import subprocess
import sys

import numpy as np
import psutil
import pytest
from pair_tables import written

from harness.encoders import registry
from harness.errors import UserError
from harness.pipeline.steps import torchrun, torchrun_worker
from harness.pipeline.steps.fit import fit

WORDS = "the a of list sort number graph node path matrix sum mean fast slow tree find passage query".split()  # noqa: SIM905
PAIRS = [
    {"query": f"{WORDS[n]} {WORDS[-n]}", "positive": f"{WORDS[n + 3]} {WORDS[n + 5]}", "negatives": [f"{WORDS[n]} a"]}
    for n in range(1, 9)
]
TRAINING = {"steps": 6, "pairs_per_step": 5, "negatives": 1, "learning_rate": 0.01, "lora_rank": 4}


def trained(folder, model, type, processes, pairs=PAIRS, layout=None, watch=None, **training):
    """Vectors of some words, what `fit` gave, and what it reported; `watch` is called with each step that is done."""
    if not (folder / "pairs").exists():
        written(folder / "pairs", pairs)
    (folder / "out").mkdir(exist_ok=True)
    params = {"backbone": {"model": str(model)}, "training": {**TRAINING, **training}, "processes": processes}
    params |= {"term_bias": 0.5} if type == "laconic" and layout is None else layout or {}
    told = []

    def report(*now):
        told.append(now)
        if watch is not None:
            watch(now[0])

    result = fit(
        out=str(folder / "out"),
        type=type,
        params=params,
        seed=1,
        threads=1,
        report=report,
        pairs=str(folder / "pairs"),
        checkpoints=str(folder / "checkpoints"),
    )
    maker = registry.get(type)
    rows = maker(maker.Params(**params)).load(folder / "out").encode_documents(WORDS)
    return (rows.toarray() if hasattr(rows, "toarray") else rows), result, told


@pytest.mark.parametrize(
    ("type", "training"),
    [("laconic", {"sampled_terms": 20, "validation_pairs": 2}), ("dense-twin", {"cached_texts": 2})],
)
def test_two_processes_train_the_model_of_one(llama_folder, tmp_path, type, training):
    """Five pairs and five negatives, so that the shares are not equal."""
    alone, facts, _ = trained(tmp_path / "one", llama_folder, type, 1, **training)
    together, others, told = trained(tmp_path / "two", llama_folder, type, 2, **training)
    # AdamW makes steps of one size of gradients of any size, rounding errors included.
    np.testing.assert_allclose(together, alone, atol=1e-3)
    assert [now[0] for now in told] == [1, 2, 3, 4, 5, 6]
    for one, other in zip(facts.curve, others.curve, strict=True):
        # The passes are other ones, each with its own padding, so operations are alike and no more.
        for figures in (one, other):
            assert figures.pop("forward") > 0 and figures.pop("backward") > 0
        assert other == pytest.approx(one, rel=1e-3, abs=1e-5)
    untrained, _, _ = trained(tmp_path / "none", llama_folder, type, 1, learning_rate=1e-9)
    assert np.abs(untrained - alone).max() > 0.01


def distance(rows, others):
    """Norm of the difference as a share of the norm."""
    return np.linalg.norm(rows - others) / np.linalg.norm(others)


BFLOAT16 = {"precision": "bfloat16", "recompute_layers": True}
EVERY = os.environ.get("LACONIC_LAYOUTS") == "all"
LAYOUTS = [
    ("laconic", {"sharded": True}, {"validation_pairs": 2}),
    ("dense-twin", {"sharded": True}, {"cached_texts": 3, "recompute_layers": True}),
    ("laconic", {"sharded": True, "frozen": "bfloat16"}, {"cached_texts": 2, **BFLOAT16}),
    ("dense-twin", {"frozen": "bfloat16"}, BFLOAT16),
]


@pytest.mark.parametrize(("type", "layout", "training"), LAYOUTS if EVERY else LAYOUTS[1:2])
def test_weights_in_parts_or_in_halves_train_the_model_of_one_process(llama_folder, tmp_path, type, layout, training):
    """Two phases, so that weights are merged in parts, too; `nox -s scale` tries all layouts.

    The steps are short: AdamW makes steps of one size of gradients of any size, rounding errors included.
    """
    given = {"steps": 2, "learning_rate": 1e-4, "lora_alpha": 16, **training}
    layout = {**layout, "finetuning": {**TRAINING, **given, "negatives": 0}}
    alone, facts, _ = trained(tmp_path / "one", llama_folder, type, 1, layout=layout, **given)
    together, others, _ = trained(tmp_path / "two", llama_folder, type, 2, layout=layout, **given)
    # In bfloat16 a sum in another order may be rounded to the next number, which is 0.4 % away.
    close = 1e-6 if given.get("precision") is None else 0.02
    assert distance(together, alone) < close
    assert [row["loss"] for row in others.curve] == pytest.approx([row["loss"] for row in facts.curve], rel=close)
    assert facts.curve[0]["loss"] != facts.curve[1]["loss"]


@pytest.mark.skipif(not EVERY, reason="starts ten processes; nox -s scale sets LACONIC_LAYOUTS=all")
def test_a_training_in_parts_goes_on_where_one_of_its_processes_was_killed(llama_folder, tmp_path):
    """The second process, which holds its part of the weights alone, gets SIGKILL."""
    given = {"steps": 40, "learning_rate": 1e-4, "checkpoint_every": 2}
    alone, facts, _ = trained(tmp_path / "one", llama_folder, "dense-twin", 1, **given)

    def kill(step):
        if step == 3:
            (torch_run,) = [
                child for child in psutil.Process().children() if "torch.distributed.run" in child.cmdline()
            ]
            max(torch_run.children(), key=lambda worker: int(worker.environ()["RANK"])).kill()

    sharded = {"layout": {"sharded": True}, **given}
    with pytest.raises(RuntimeError, match="torchrun ended with exit status"):
        trained(tmp_path / "two", llama_folder, "dense-twin", 2, watch=kill, **sharded)
    resumed, others, reported = trained(tmp_path / "two", llama_folder, "dense-twin", 2, **sharded)
    steps = [now[0] for now in reported]
    assert steps == list(range(steps[0], 41))
    assert steps[0] >= 3
    assert distance(resumed, alone) < 1e-6
    assert [row["step"] for row in others.curve] == list(range(1, 41))
    assert [row["loss"] for row in others.curve] == pytest.approx([row["loss"] for row in facts.curve], rel=1e-6)


def test_two_machines_train_the_model_of_one(llama_folder, tmp_path, monkeypatch):
    """Both are this one; the second gets its orders at the rendezvous."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    given = {"steps": 2, "learning_rate": 1e-4}
    alone, facts, _ = trained(tmp_path / "one", llama_folder, "dense-twin", 1, **given)
    command = [
        sys.executable,
        "-c",
        "from harness.start import main; main()",
        "join",
        place,
        "--nodes=2",
        "--node=1",
        "--processes=2",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as other:
        monkeypatch.setenv(torchrun.NODES, "2")
        monkeypatch.setenv(torchrun.RENDEZVOUS, place)
        layout = {"sharded": True}
        together, others, reported = trained(tmp_path / "two", llama_folder, "dense-twin", 2, layout=layout, **given)
        assert other.wait() == 0, other.stdout.read()
    assert distance(together, alone) < 1e-6
    assert [now[0] for now in reported] == [1, 2]
    assert [row["loss"] for row in others.curve] == pytest.approx([row["loss"] for row in facts.curve], rel=1e-6)


def test_what_goes_wrong_on_another_machine_is_said_there(monkeypatch, capsys):
    def fails(**_):
        raise UserError("there is no folder /models/a", key="backbone", remedy="copy it")

    monkeypatch.setattr(torchrun_worker, "fit", fails)
    monkeypatch.setattr(torchrun_worker, "_job", lambda file: "{}")
    monkeypatch.setattr(torchrun_worker, "writes", lambda: False)
    monkeypatch.setattr(sys, "argv", ["torchrun_worker"])
    assert torchrun_worker.main() == 1
    assert "there is no folder /models/a" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["torchrun_worker", "job", "result"])  # here the first process says it
    assert torchrun_worker.main() == 0


@pytest.mark.parametrize(
    ("count", "place", "processes", "message"),
    [
        ("two", "a:1", 2, "'two' is no number of machines"),
        ("0", "a:1", 2, "'0' is no number of machines"),
        ("2", None, 2, "does not say where the machines of a training meet"),
        ("2", "a:port", 2, "does not say where"),
        ("2", "a:1", 3, "3 processes are not shared evenly by 2 machines"),
    ],
)
def test_machines_that_do_not_fit_are_refused(monkeypatch, count, place, processes, message):
    monkeypatch.setenv(torchrun.NODES, count)
    monkeypatch.delenv(torchrun.RENDEZVOUS, raising=False)
    if place is not None:
        monkeypatch.setenv(torchrun.RENDEZVOUS, place)
    with pytest.raises(UserError, match=message):
        torchrun.nodes().command(processes)


def test_what_goes_wrong_in_a_process_is_told(llama_folder, tmp_path):
    with pytest.raises(UserError, match=r"2 training pairs are fewer than one batch of 5(.|\n)*remedy"):
        trained(tmp_path, llama_folder, "dense-twin", 2, pairs=PAIRS[:2])
