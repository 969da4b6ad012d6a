"""The check of a model stands between making it and using it, and stops its systems alone."""

import json

import pytest
from small_specs import BM25, FLAT, INVERTED, load_small, system

from harness.errors import UserError
from harness.pipeline.executors.local import Executor
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.systems import check_stages, system_stages
from harness.pipeline.stage import Stage
from harness.pipeline.store.local import Store
from harness.spec.load import load_spec


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return load_small(
        tmp_path, encoders={**BM25, "twin": {"type": "dense-twin", "backbone": str(tmp_path / "model")}},
        indexes={**INVERTED, **FLAT}, systems=[system(None), system(None, "twin", "flat")], measure=None,
    )  # fmt: skip


def test_a_learned_model_is_checked_before_it_encodes_and_a_lexical_one_is_not(spec):
    lexical, learned = system_stages(spec, "here")
    assert lexical.check is None and lexical.encode.after == ()
    assert learned.encode.after == (learned.check,)
    assert learned.check.inputs == {"model": learned.fit}
    order = [stage.key for stage in in_order([lexical, learned], 1)]
    assert order.index(learned.fit.key) < order.index(learned.check.key) < order.index(learned.encode.key)
    assert learned.check in learned.all()


@pytest.mark.parametrize(
    "change",
    [
        "attention=causal",
        "query_prefix=q",
        "document_prefix=d",
        "special_tokens=true",
        "query_length=8",
        "document_length=8",
        "dtype=bfloat16",
        "device=cuda",
        "pooling=last",
        "dimensions=8",
        "output=int8",
        "layers=1",
    ],
)
def test_every_item_of_the_contract_makes_another_model_and_other_vectors(spec, change):
    changed = load_spec(spec.file, REGISTRIES, [f"encoders.twin.{change}"])
    before, after = system_stages(spec, "here")[1], system_stages(changed, "here")[1]
    assert before.fit.key != after.fit.key and before.encode.key != after.encode.key
    assert before.prepare.key == after.prepare.key


def test_reporting_instead_of_refusing_makes_no_vector_anew(spec, tmp_path):
    changed = load_spec(spec.file, REGISTRIES, ["measure.invalid_models=report"])
    before, after = system_stages(spec, "here")[1], system_stages(changed, "here")[1]
    assert before.check.key != after.check.key
    assert before.encode.key == after.encode.key


def test_what_waits_for_a_failed_check_is_skipped_with_its_reason(tmp_path, spec):
    def stage(label, path, after=()):
        arguments = {"type": "beir", "params": {"path": str(path)}}
        return Stage("prepare", label, "harness.pipeline.steps.prepare:prepare", arguments, after=after)

    bad = stage("check of a", tmp_path / "none")
    good = stage("b", tmp_path / "data")
    waiting = Stage("prepare", "encode a", good.function, good.arguments, about={"other": 1}, after=(bad,))
    done = Executor(Store(tmp_path / "store"), spec.head.measure, Quiet()).run([bad, waiting, good])
    assert [done[one.key].status for one in (bad, waiting, good)] == ["failed", "skipped", "ok"]
    assert "check of a: failed" in done[waiting.key].reason


def test_the_command_checks_one_encoder(spec):
    assert [stage.kind for stage in check_stages(spec, "twin")] == ["fit", "check"]
    with pytest.raises(UserError, match="did you mean 'twin'"):
        check_stages(spec, "twinn")
    with pytest.raises(UserError, match="no model to check"):
        check_stages(spec, "bm25")


class Quiet:
    def begin(self, *_):
        pass

    progress = alive = end = note = begin
