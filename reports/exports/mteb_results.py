"""A run's scores in mteb's own layout, ``MODEL/REVISION/TASK.json``, as its results repository takes them."""

from __future__ import annotations

import json
import re
from statistics import fmean
from typing import TYPE_CHECKING

from harness.errors import UserError
from reports.exports.mteb_tasks import AGGREGATE, parts_of_aggregate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.runs.facts import SystemFacts
    from harness.runs.read import RunData

NAMES = {"ndcg@10": "ndcg_at_10", "recall@10": "recall_at_10", "recall@100": "recall_at_100", "mrr@10": "mrr_at_10"}
_TASK = re.compile(r"(?P<task>\S+) of mteb (?P<version>\S+), split (?P<split>\S+)")
_DATA = re.compile(r"(?P<path>\S+) at revision (?P<revision>\S+)")


def write_mteb(run: RunData, out: Path) -> list[Path]:
    """Write a file for each system on each task of mteb, and ``model_meta.json`` for each system.

    Only what this run measured is written: mteb's other cut-offs and its carbon estimate are left out. Where all parts
    of CQADupstackRetrieval are there, it has a file too, as mteb writes one: the mean of their main scores.

    Raises:
        UserError: The run has no collection of type ``mteb``.
    """
    cells, written = run.cells(), []
    for system in run.systems:
        about = run.facts["collections"].get(system["collection"], {}).get("description", {})
        task, data = _TASK.fullmatch(about.get("task", "")), _DATA.fullmatch(about.get("data", ""))
        values = {
            theirs: cells[system["collection"], system["name"], ours].value
            for ours, theirs in NAMES.items()
            if (system["collection"], system["name"], ours) in cells
        }
        if task is None or data is None or "ndcg_at_10" not in values:
            continue
        folder = out / _safe(system["name"]) / _safe(_revision(system))
        folder.mkdir(parents=True, exist_ok=True)
        score = {**values, "main_score": values["ndcg_at_10"], "hf_subset": about.get("subset", "default"),
                 "languages": [name for name in about.get("languages", "").split(", ") if name]}  # fmt: skip
        body = _body(task["task"], data["revision"], task, score)
        path = folder / f"{_safe(task['task'])}.json"
        path.write_text(json.dumps(body, indent=2), encoding="utf-8")
        meta = {"name": system["name"], "revision": _revision(system), "framework": ["laconic-bench"]}
        (folder / "model_meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
        written.append(path)
    written += _aggregates(run, out)
    if not written:
        remedy = 'run on collections of type "mteb"'
        raise UserError("this run has no finished task of mteb", file=run.folder, remedy=remedy)
    return written


def _aggregates(run: RunData, out: Path) -> list[Path]:
    """The file of `AGGREGATE` of each system that has all its parts, in one split and by one version of mteb."""
    paths = []
    for name, system in {system["name"]: system for system in run.systems}.items():
        parts = parts_of_aggregate(run, name)
        about = [run.facts["collections"][part]["description"] for part in parts]
        tasks = [task for row in about if (task := _TASK.fullmatch(row.get("task", "")))]
        if not tasks or len({(task["version"], task["split"]) for task in tasks}) > 1:
            continue
        value = fmean(run.cells()[part, name, "ndcg@10"].value for part in parts)
        languages = sorted({text for row in about for text in row.get("languages", "").split(", ") if text})
        score = {"ndcg_at_10": value, "main_score": value, "hf_subset": "default", "languages": languages}
        path = out / _safe(name) / _safe(_revision(system)) / f"{AGGREGATE}.json"
        path.write_text(json.dumps(_body(AGGREGATE, "1", tasks[0], score), indent=2), encoding="utf-8")
        paths.append(path)
    return paths


def _body(name: str, revision: str, task: re.Match[str], score: Mapping[str, object]) -> dict[str, object]:
    """A task's file; `task` says by which version of mteb, and of which split the score is."""
    return {
        "dataset_revision": revision,
        "task_name": name,
        "mteb_version": task["version"],
        "scores": {task["split"]: [score]},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }


def _revision(system: SystemFacts) -> str:
    """The revision that the spec names, "local" where there is none."""
    return str(system.get("revision") or "local")


def _safe(name: str) -> str:
    """A name as mteb writes it into paths: ``owner__model``, and nothing that leads elsewhere."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name.replace("/", "__"))[:120]
    return safe if safe.strip(".") else "_"
