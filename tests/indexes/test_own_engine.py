"""The engine in docs/indexes.md works as it stands."""

import re
from pathlib import Path

import numpy as np

from harness.indexes import Index, create, registry


def test_the_documented_engine(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "indexes.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    try:
        exec(compile(code, "docs/indexes.md", "exec"), {"__name__": "documented"})  # noqa: S102
        rows = np.random.default_rng(0).standard_normal((30, 20), np.float32)
        index = create("signs")
        assert isinstance(index, Index)
        index.build(iter([rows[:10], rows[10:]]))
        ids, scores = index.search(rows[:3], 40)
        assert ids[:, 0].tolist() == [0, 1, 2]
        assert scores[:, 0].tolist() == [20.0] * 3
        assert (ids[:, 30:] == -1).all()
        index.save(tmp_path)
        np.testing.assert_array_equal(type(index).load(tmp_path).search(rows[:3], 40)[0], ids)
        assert index.memory() == {"codes": 30 * 3}
    finally:
        registry._items.pop("signs", None)
