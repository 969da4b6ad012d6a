"""Results against brute force over the float32 vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.pipeline.measurements import MeasurementBase, register, results_of
from harness.pipeline.stage import STEPS, Stage
from harness.pipeline.steps.exact import ExactComparison

if TYPE_CHECKING:
    from harness.metrics import Group
    from harness.pipeline.measurements import Add, Results, Subject


@register("exact")
class AgainstExact(MeasurementBase):
    """Recall of an index against the exact results, and the quality that these have."""

    group: ClassVar[Group] = "quality"
    encodes: ClassVar[bool] = False
    libraries: ClassVar[tuple[str, ...]] = ("ir-measures", "pytrec_eval-terrier", "numpy", "scipy")

    def implied(self, subject: Subject) -> bool:
        """For every engine that is not exact; beside a sweep for exact ones, too, whose codec may still lose some."""
        return not subject.exact or subject.beside_sweep

    def stages(self, subject: Subject) -> list[Stage]:
        """The exact results, which all systems over these vectors share, and the comparison of one index with them."""
        truth = Stage(
            "truth",
            f"exact results of {subject.encode.label.removeprefix('encode ')}",
            f"{STEPS}.exact:truth",
            {"depth": subject.search.arguments["depth"]},
            {"vectors": subject.encode, "collection": subject.prepare},
            libraries=("numpy", "scipy"),
        )
        comparison = Stage(
            "exact",
            f"compare {subject.label} with exact results",
            f"{STEPS}.exact:compare",
            {"confidence": subject.measure.confidence},
            {"truth": truth, "hits": subject.search, "collection": subject.prepare}
            | ({} if subject.timed_search is None else {"timed": subject.timed_search}),
            libraries=("ir-measures", "pytrec_eval-terrier", "numpy"),
        )
        return [truth, comparison]

    def records(self, results: Results, add: Add) -> None:
        """Recall at each cut-off, and nDCG@10 of the exact results."""
        for comparison in results_of(results, "exact", ExactComparison):
            queries, ends = comparison.queries, comparison.intervals
            for k, value in comparison.recall.items():
                method, name = "against brute force over the float32 vectors", f"recall_vs_exact@{k}"
                add(name, value, method, n=queries, interval=ends.get(name))
            method, name = "ir_measures over the results of brute force", "ndcg_exact@10"
            add(name, comparison.ndcg_at_10, method, n=queries, interval=ends.get(name))
