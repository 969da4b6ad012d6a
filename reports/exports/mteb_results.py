"""A run's scores in mteb's own layout, ``MODEL/REVISION/TASK.json``, as its results repository takes them."""

from __future__ import annotations

import json
import re
from statistics import fmean
from typing import TYPE_CHECKING

from harness.errors import UserError
from reports.exports.mteb_tasks import AGGREGATE, parts_of_aggregate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.runs.facts import SystemFacts
    from harness.runs.read import RunData

_MEASURES = {
    "ndcg": "ndcg", "recall": "recall", "mrr": "mrr",
    "nDCG": "ndcg", "R": "recall", "RR": "mrr", "AP": "map", "P": "precision", "Success": "hit_rate",
}  # fmt: skip
"""mteb's measures by our names and by those of ir_measures, both without a cut-off."""
_METRIC = re.compile(r"(?P<measure>[A-Za-z]+)@(?P<cut>[0-9]+)")
_TASK = re.compile(r"(?P<task>\S+) of mteb (?P<version>\S+), split (?P<split>\S+)")
_DATA = re.compile(r"(?P<path>\S+) at revision (?P<revision>\S+)")


def write_mteb(run: RunData, out: Path) -> list[Path]:
    """Write a file for each system on each task of mteb, and ``model_meta.json`` for each system.

    Subsets and splits of a task stand in one file. Only what this run measured is written: mteb's other cut-offs and
    its carbon estimate are left out. A system without the task's main score on it is left out too. Where all parts of
    CQADupstackRetrieval are there, it has a file too, as mteb writes one: the mean of their main scores.

    Raises:
        UserError: The run has no collection of type ``mteb``; or no system has the main score of a task, which is said
            once the others are written.
    """
    measured = _measured(run)
    scores: dict[Path, dict[str, list[Mapping[str, object]]]] = {}
    mains: dict[str, str] = {}
    for system in run.systems:
        about = run.facts["collections"].get(system["collection"], {}).get("description", {})
        task, data = _TASK.fullmatch(about.get("task", "")), _DATA.fullmatch(about.get("data", ""))
        values = measured.get((system["collection"], system["name"]))
        if task is None or data is None or not values:
            continue
        main = mains[task["task"]] = about.get("main score", "ndcg_at_10")
        if main not in values:
            continue
        folder = out / _safe(system["name"]) / _safe(_revision(system))
        folder.mkdir(parents=True, exist_ok=True)
        score = {**values, "main_score": values[main], "hf_subset": about.get("subset", "default"),
                 "languages": [name for name in about.get("languages", "").split(", ") if name]}  # fmt: skip
        path = folder / f"{_safe(task['task'])}.json"
        splits = scores.setdefault(path, {})
        splits.setdefault(task["split"], []).append(score)
        body = _body(task["task"], data["revision"], task["version"], splits)
        path.write_text(json.dumps(body, indent=2), encoding="utf-8")
        meta = {"name": system["name"], "revision": _revision(system), "framework": ["laconic-bench"]}
        (folder / "model_meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
    written = [*scores, *_aggregates(run, out)]
    there = {path.stem for path in scores}
    if missing := [task for task in mains if _safe(task) not in there]:
        main = mains[missing[0]]
        ours = _our_name(main)
        raise UserError(
            f"{len(written)} files were written; left out: {', '.join(missing)}. The main score of {missing[0]} is "
            f"{main}, which this run has not measured",
            file=run.folder,
            remedy=f'measure it: [measure] quality = ["{ours}"]' if ours else "export other tasks",
        )
    if not written:
        remedy = 'run on collections of type "mteb"'
        raise UserError("this run has no finished task of mteb", file=run.folder, remedy=remedy)
    return written


def _measured(run: RunData) -> dict[tuple[str, str], dict[str, float]]:
    """Values by mteb's names of the measures, of each (collection, system)."""
    measured: dict[tuple[str, str], dict[str, float]] = {}
    for (collection, system, metric), cell in run.cells().items():
        name = _METRIC.fullmatch(metric)
        if name and name["measure"] in _MEASURES:
            values = measured.setdefault((collection, system), {})
            values.setdefault(f"{_MEASURES[name['measure']]}_at_{name['cut']}", cell.value)
    return measured


def _our_name(score: str) -> str | None:
    """A score of mteb as ir_measures names it; None where it has none such."""
    measure, _, cut = score.partition("_at_")
    names = {theirs: ours for ours, theirs in _MEASURES.items()}
    return f"{names[measure]}@{cut}" if measure in names and cut.isdecimal() else None


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
        path.write_text(
            json.dumps(_body(AGGREGATE, "1", tasks[0]["version"], {tasks[0]["split"]: [score]}), indent=2),
            encoding="utf-8",
        )
        paths.append(path)
    return paths


def _body(
    name: str, revision: str, version: str, scores: Mapping[str, Sequence[Mapping[str, object]]]
) -> dict[str, object]:
    """A task's file.

    Args:
        name: Of the task.
        revision: Of its data.
        version: Of mteb.
        scores: By split, of each subset.
    """
    return {
        "dataset_revision": revision,
        "task_name": name,
        "mteb_version": version,
        "scores": scores,
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
