"""Finished runs, one folder each."""

import pytest
from runs import write_run


@pytest.fixture
def run(tmp_path):
    count = iter(range(1000))
    return lambda **facts: write_run(tmp_path / f"run{next(count)}", **facts)
