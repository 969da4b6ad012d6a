"""Run in a process of its own, whose Hub is on loopback: tasks of mteb through mteb and through our steps.

Usage: python tasks_through_hub.py FOLDER TASK...; prints of each task how many queries it has, how far the two are
apart at most, by metric too, and mteb's nDCG@10 by query; as JSON.
"""

import json
import sys
from pathlib import Path
from types import MethodType

import mteb
from mteb_tasks import THEIRS, through_mteb, through_steps, with_reciprocal_ranks


def watched(name):
    """Makes the task anew each time; mteb's scores by query are left in its `scores`."""

    def kind():
        task = mteb.get_task(name)

        def specific(self, scores, qrels, results, hf_split, hf_subset):
            self.scores = {hf_subset: with_reciprocal_ranks(scores, qrels, results, self.k_values)}
            return {}

        task.task_specific_scores = MethodType(specific, task)
        return task

    return kind


def differences(folder, name):
    """How far our steps are from mteb on a task, by metric: the largest difference of a query."""
    theirs, _ = through_mteb(watched(name))
    ours, prepared, _ = through_steps(folder / name, "mteb", {"task": name})
    found = {}
    for metric, measure in THEIRS.items():
        assert ours[metric].keys() == theirs.keys(), (name, metric)
        found[metric] = max(abs(value - theirs[query][measure]) for query, value in ours[metric].items())
    same = prepared.same_identifiers
    ndcg = {query: values["ndcg_cut_10"] for query, values in theirs.items()}
    facts = {"queries": len(theirs), "same identifiers": same, "largest": max(found.values())}
    return {**facts, "by metric": found, "ndcg@10": ndcg}


if __name__ == "__main__":
    print(json.dumps({name: differences(Path(sys.argv[1]), name) for name in sys.argv[2:]}))
