"""Collapse while training: how a causal language model that is made sparse usually fails. Three signs show it early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.training.params import TrainingParams

ALIKE = 0.98
"""Mean cosine of a batch's passages above which all of them have the same vector, for every purpose."""
EVERYWHERE = 0.5
"""Share of the vocabulary that fires in a passage although the FLOPS terms have their full weight."""


class Watch:
    """Looks at each step's figures and stops a training that collapsed.

    Args:
        params: Settings.
        terms: Size of the vocabulary; None for a dense model.
    """

    def __init__(self, params: TrainingParams, terms: int | None = None) -> None:
        self.params, self.terms = params, terms
        self.since: dict[str, int] = {}

    def see(self, step: int, parts: Mapping[str, float]) -> None:
        """Take in the figures of a step (counted from 1).

        Raises:
            UserError: The same sign of collapse came in `collapse_patience` steps in a row.
        """
        signs = self._signs(step / self.params.steps, parts)
        self.since = {sign: self.since.get(sign, 0) + 1 for sign in signs}
        for sign, steps in self.since.items():
            if self.params.stop_on_collapse and steps >= self.params.collapse_patience:
                raise UserError(
                    f"training collapsed from step {step - steps + 1} to {step}: {signs[sign]}",
                    key="training",
                    remedy=f"{REMEDIES[sign]}; training.stop_on_collapse = false continues anyway",
                )

    def _signs(self, done: float, parts: Mapping[str, float]) -> dict[str, str]:
        signs: dict[str, str] = {}
        least = min(parts.get("active_query", 1.0), parts.get("active_document", 1.0))
        if least < 0.5:
            signs["dead"] = f"texts have {least:.2g} active terms: the ReLU died"
        if self.terms is not None and done > min(self.params.regularise_warmup + 0.25, 0.9):
            share = parts.get("active_document", 0.0) / self.terms
            if share > EVERYWHERE:
                signs["everywhere"] = f"{share:.0%} of all terms are active in every passage"
        alike = parts.get("similarity", 0.0)
        # A language model begins with vectors that are much alike; after the warm-up they must have come apart.
        if alike > ALIKE and done > self.params.warmup and "dead" not in signs:
            signs["alike"] = f"the vectors of different passages have a mean cosine of {alike:.3f}: the same everywhere"
        return signs


REMEDIES = {
    "dead": "lower training.regularise_queries, training.regularise_documents or the learning rate",
    "everywhere": "raise training.regularise_documents, or give a term_bias",
    "alike": "lower the learning rate, check that no BOS is read, or give a term_bias",
}
