"""Results against brute force over the float32 vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.pipeline.measurements import MeasurementBase, register, results_of
from harness.pipeline.stage import STEPS, Stage
from harness.pipeline.steps.exact import ExactComparison

if TYPE_CHECKING:
    from harness.pipeline.measurements import Add, Results, Subject


@register("exact")
class AgainstExact(MeasurementBase):
    """Recall of an index against the exact results, and the quality that these have."""

    libraries: ClassVar[tuple[str, ...]] = ("ir-measures", "pytrec_eval-terrier", "numpy", "scipy")

    def implied(self, subject: Subject) -> bool:
        """For every engine that is not exact."""
        return not subject.exact

    def stages(self, subject: Subject) -> list[Stage]:
        """The exact results, which all systems over these vectors share, and the comparison of one index with them."""
        truth = Stage(
            "truth",
            f"exact results of {subject.encode.label.removeprefix('encode ')}",
            f"{STEPS}.exact:truth",
            {"depth": subject.search.arguments["depth"]},
            {"vectors": subject.encode},
            libraries=("numpy", "scipy"),
        )
        comparison = Stage(
            "exact",
            f"compare {subject.label} with exact results",
            f"{STEPS}.exact:compare",
            {},
            {"truth": truth, "hits": subject.search, "collection": subject.prepare},
            libraries=("ir-measures", "pytrec_eval-terrier", "numpy"),
        )
        return [truth, comparison]

    def records(self, results: Results, add: Add) -> None:
        """Recall at each cut-off, and nDCG@10 of the exact results."""
        for comparison in results_of(results, "exact", ExactComparison):
            queries = comparison.queries
            for k, value in comparison.recall.items():
                method = "against brute force over the float32 vectors"
                add(f"recall_vs_exact@{k}", value, method, n=queries)
            add("ndcg_exact@10", comparison.ndcg_at_10, "ir_measures over the results of brute force", n=queries)
