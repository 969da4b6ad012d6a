"""Nights end to end, with an engine that grows between two of them."""

import json
import os
import signal
import subprocess
import sys
from xml.etree import ElementTree as Xml

import pytest
from toy import write_toy, write_toy_spec

from harness.history import History


def start(folder):
    path = os.pathsep.join([str(folder / "site"), *(p for p in sys.path if p)])
    return subprocess.Popen(
        [sys.executable, "-c", "from harness.cli.app import main; main()", "nightly", "toy.toml"],
        cwd=folder, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_regression_is_found_and_confirmed_and_a_killed_night_leaves_no_trace(tmp_path):
    write_toy_spec(tmp_path)
    write_toy(tmp_path / "site")
    process = start(tmp_path)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "no good run to compare with yet" in out
    history = History(tmp_path / "history")
    before = history.table()
    assert set(before["state"].to_pylist()) == {"good"}

    process = start(tmp_path)
    for line in process.stderr:
        if "build" in line:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.communicate()
    assert history.table().equals(before)

    write_toy(tmp_path / "site", version="1.1", larger=1.03)
    process = start(tmp_path)
    out, errors = process.communicate()
    assert process.returncode == 1, out + errors
    assert "measured again, to be sure: toy" in errors
    assert "Index size of toy on mine: regressed" in out
    pages = tmp_path / "nightly/toy"
    suite = Xml.parse(pages / "junit.xml").getroot()  # noqa: S314
    failed = {case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None}
    assert "index_bytes" in failed
    assert not any("postings" in name for name in failed)
    assert json.loads((pages / "feed.json").read_text())["items"][0]["tags"] == ["regressed"]
    assert "regressed" in (pages / "index.html").read_text()
    rows = history.query("select distinct state, confirms <> '' from records order by all")[1]
    assert rows == [("good", False), ("regressed", False), ("regressed", True)]
