"""Broken corpora, fuzzed specs, and no network."""

import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from drilled import expected, numbers, prepared, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.systems import system_stages
from harness.spec.load import load_spec

FUZZ = int(os.environ.get("DRILL_FUZZ", "10000"))
ROOT = Path(__file__).resolve().parents[2]
BROKEN = (
    b"not JSON", b"{", b"[]", b"5", b"null", b'"text"', b'{"_id": "x"}', b'{"text": "x"}', b'{"_id": "", "text": "x"}',
    b'{"_id": "x", "text": 5}', b'{"_id": "x", "text": null}', b"[" * 100_000, b'{"_id": "x", "text": "\xff"}',
    b'{"_id": "x", "text": ["a"]}', b"\x00\x01\x02", b'{"_id": "x", "text": "a"', b'{"_id": {}, "text": 1}',
    b"9" * 5000,
)  # fmt: skip


def test_ten_thousand_broken_lines(tmp_path):
    """One too many is an error that names the line; as many as are tolerated are counted, and change nothing else."""
    wanted, _ = expected(tmp_path / "whole")
    folder = prepared(tmp_path / "broken")
    corpus = folder / "data/corpus.jsonl"
    good = corpus.read_bytes().splitlines()
    lines = [BROKEN[n % len(BROKEN)] for n in range(10_000)]
    for place, line in enumerate(good):
        lines.insert(1 + place * 1500, line)
    corpus.write_bytes(b"\n".join(lines) + b"\n")
    status, errors = run(folder)
    assert status == 1
    assert f"{corpus}:1:" in errors, errors
    last = max(number for number, line in enumerate(lines, start=1) if line not in good)
    status, errors = run(folder, "--set", "collections.mine.tolerate=9999")
    assert status == 1
    assert f"{corpus}:{last}:" in errors, errors[-2000:]
    status, errors = run(folder, "--set", "collections.mine.tolerate=10000")
    assert status == 0, errors[-2000:]
    facts = json.loads((folder / "runs/small/run.json").read_text())
    assert "10000 broken lines skipped, the first is line 1" in facts["collections"]["mine"]["warnings"][0]
    # BM25 sees the same six documents.
    assert numbers(folder) == wanted
    print(f"10,000 broken lines of {len(BROKEN)} kinds: refused by line, or counted; same records")


SPECS = sorted((ROOT / "experiments").glob("*.toml"))
VALUES = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.text(max_size=20), st.just([]), st.just({}),
    st.lists(st.one_of(st.integers(), st.text(max_size=5), st.just({"a": 1})), max_size=3),
    st.sampled_from(["inverted", "faiss-flat", "beir", "bm25", "laconic", "../../etc", "\0", "${HOME}", "sharded"]),
)  # fmt: skip


def places(node, path=()):
    """Every (container, key) of a spec."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from places(value, (*path, key))


def toml(value):
    """A value as TOML, inline."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)  # nan, inf and -inf are written alike
    if isinstance(value, str):
        return json.dumps(value).replace("\\ud", "?").replace("\x7f", "?")
    if isinstance(value, list):
        return f"[{', '.join(toml(one) for one in value)}]"
    return f"{{{', '.join(f'{json.dumps(str(k))} = {toml(v)}' for k, v in value.items())}}}"


@st.composite
def mutated(draw):
    """A shipped spec with one to four things wrong: values, keys, tables, or plain bytes."""
    import tomllib

    text = draw(st.sampled_from(SPECS)).read_text()
    if draw(st.integers(0, 3)) == 0:
        for _ in range(draw(st.integers(1, 4))):
            at, cut = draw(st.integers(0, len(text))), draw(st.integers(0, 30))
            text = text[:at] + draw(st.text(max_size=10)) + text[at + cut :]
        return text.encode("utf-8", "surrogatepass")
    content = tomllib.loads(text)
    for _ in range(draw(st.integers(1, 4))):
        found = list(places(content))
        if not found:
            break
        node, key = found[draw(st.integers(0, len(found) - 1))]
        what = draw(st.integers(0, 3))
        if what == 0:
            del node[key]
        elif what == 1 and isinstance(node, dict):
            node[draw(st.text(max_size=10))] = node.pop(key)
        elif what == 2 and isinstance(node, list):
            node.append(draw(VALUES))
        else:
            node[key] = draw(VALUES)
    return "".join(f"{json.dumps(str(key))} = {toml(value)}\n" for key, value in content.items()).encode()


def test_fuzzed_specs_never_give_a_traceback(tmp_path):
    """Every spec is either planned to its last stage, or refused by one `UserError`."""
    counts, bad = {"planned": 0, "refused": 0}, {}
    path = tmp_path / "fuzzed.toml"

    @settings(max_examples=FUZZ, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(mutated())
    def fuzz(content):
        path.write_bytes(content)
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                spec = load_spec(path, REGISTRIES)
                in_order(system_stages(spec, "here"), spec.head.seed)
            counts["planned"] += 1
        except UserError as error:
            assert str(error)
            counts["refused"] += 1
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            bad.setdefault((type(error).__name__, place.filename, place.lineno), (str(error)[:200], content[-3000:]))

    fuzz()
    assert not bad, "\n".join(f"{key}: {why[0]}" for key, why in bad.items())
    print(f"{sum(counts.values())} specs: {counts}, no other exception")


def test_no_network(tmp_path):
    """Without any network a local experiment runs, and one that needs the Hub says so once."""
    wanted, _ = expected(tmp_path / "whole")
    alone = ("unshare", "-rn")
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("a network namespace cannot be made here")
    folder = prepared(tmp_path / "alone")
    status, errors = run(folder, before=alone)
    assert status == 0, errors
    assert numbers(folder) == wanted
    text = (folder / "small.toml").read_text()
    for name, table in {
        "hub": '[encoders.hub]\ntype = "sentence-transformer"\nmodel = "sentence-transformers/all-MiniLM-L6-v2"\n'
        'revision = "abc"\n[[systems]]\nname = "hub"\nencoder = "hub"\nindex = "flat"\n',
        "task": '[collections.task]\ntype = "mteb"\ntask = "NFCorpus"\n',
    }.items():
        head, _, tail = text.partition("[measure]")
        (folder / "small.toml").write_text(f"{head}{table}[measure]{tail}")
        status, errors = run(folder, before=alone)
        assert status in (1, 2), (name, errors)
        assert "Hub" in errors, (name, errors)
        assert "remedy" in errors, (name, errors)
    print("no network: local experiments run; a model and a task of the Hub give one clear error each")


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
