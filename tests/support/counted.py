"""An encoder in a package of its own that notes every time its model is loaded, and takes its time."""

import json

from small_specs import FLAT, beir, system, write_spec

from harness.encoders import registry

CODE = """
import os
import time

from harness.encoders.synthetic import SyntheticDense, SyntheticDenseEncoder

class CountedEncoder(SyntheticDenseEncoder):
    def encode_documents(self, texts):
        stuck = os.environ.get("LACONIC_COUNTED_STUCK") in texts
        time.sleep(600 if stuck else float(os.environ["LACONIC_COUNTED_SLEEP"]))
        return super().encode_documents(texts)

class Counted(SyntheticDense):
    def load(self, directory, *, threads=1):
        with open(os.environ["LACONIC_COUNTED_LOADS"], "a") as file:
            file.write(f"{os.getpid()} {os.getppid()}\\n")
        return CountedEncoder(self.params)
"""


class CountedLoads:
    """The encoder as installed, and a spec in `folder` over two collections of three blocks each."""

    def __init__(self, folder, monkeypatch, sleep=0.0):
        site, self._loads = folder / "site", folder / "loads"
        info = site / "counted-1.dist-info"
        info.mkdir(parents=True)
        (site / "counted_encoder.py").write_text(CODE)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counted\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[laconic_bench.encoders]\ncounted = counted_encoder:Counted\n")
        monkeypatch.setenv("LACONIC_COUNTED_LOADS", str(self._loads))
        monkeypatch.setenv("LACONIC_COUNTED_SLEEP", str(sleep))
        registry.names()  # before it is there to be found: it is known for this test alone
        monkeypatch.setenv("PYTHONPATH", str(site))
        monkeypatch.syspath_prepend(str(site))
        import counted_encoder

        monkeypatch.setitem(registry._items, "counted", counted_encoder.Counted)
        for name in ("mine", "other"):
            _write(folder / "data" / name, name)
        self.spec = write_spec(
            folder, file="counted.toml", name="counted",
            collections={name: beir(folder / "data" / name) for name in ("mine", "other")},
            encoders={"counted": {"type": "counted", "dimensions": 8}}, indexes=FLAT,
            systems=[system("dense", "counted", "flat")],
            measure={"work_threads": 1, "encode_shards": 3, "invalid_models": "report"},
        )  # fmt: skip

    def pids(self):
        """(process, its parent) of every time the model was loaded to encode; the first time it was to check it."""
        lines = self._loads.read_text().splitlines() if self._loads.exists() else []
        return [tuple(int(pid) for pid in line.split()) for line in lines[1:]]

    def forget(self):
        """Count from 0 again."""
        self._loads.unlink(missing_ok=True)


def _write(folder, name):
    (folder / "qrels").mkdir(parents=True)
    for file, count in (("corpus", 2100), ("queries", 3)):
        rows = [json.dumps({"_id": f"{i}", "title": "", "text": f"{name} {file} {i}"}) for i in range(count)]
        (folder / f"{file}.jsonl").write_text("\n".join(rows))
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n0\t0\t1\n")
