"""LACONIC (arXiv 2601.01684): a causal language model made bidirectional, whose head's logits are term weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from harness.encoders import Encoder, FitInput, ModelSize, Progress, register
from harness.encoders.backbones.query_lookup import LookupEncoder, TextReader, table_digest, write_table
from harness.encoders.llama_family.encoder_type import LlamaEncoderType
from harness.encoders.llama_family.params import LaconicParams
from harness.encoders.replicas import on_devices
from harness.encoders.weights.sentence_transformers_folder import read_settings
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from harness.collections.base import Pair
    from harness.encoders.backbones.packed_encoder import Model
    from harness.encoders.llama_family.term_selection import Terms
    from harness.encoders.weights.sentence_transformers_folder import Contract
    from harness.spec.params import Params
    from harness.training.examples import Examples
    from harness.training.objectives import Objective
    from harness.training.params import TrainingParams
    from harness.vectors import Kind


@register("laconic")
class Laconic(LlamaEncoderType):
    """Largest logit of each term over a text's tokens, log(1 + ReLU), and the terms with the largest weights."""

    Params: ClassVar[type[Params]] = LaconicParams
    kind: ClassVar[Kind] = "sparse"
    params: LaconicParams

    def needs(self) -> FitInput:
        """Pairs for training, or for the passages that the bias of the terms is computed from.

        Else the corpus, if the weights of looked-up queries are counted; where there are pairs, in their passages.
        """
        params = self.params
        if params.training is None and (params.adapter is not None or params.term_bias is None):
            return "corpus" if params.counts_documents else "nothing"
        return "pairs"

    def learned(self) -> bool:
        """Always: a corpus decides the weights of queries alone."""
        return True

    def fingerprint(self) -> str:
        """Of the backbone's files, and of the table's where queries have one."""
        return super().fingerprint() + table_digest(self.params)

    def announced(self) -> ModelSize | None:
        """By the backbone's shape; looked-up queries need no model."""
        size = super().announced()
        return size if size is None or not self.params.looks_up else replace(size, query_length=0)

    def contract(self) -> Contract:
        """Sparse, with the largest terms that the spec keeps."""
        params = self.params
        return replace(self._shared_contract(), query_terms=params.query_terms, document_terms=params.document_terms)

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Convert the backbone, compute the bias, train; see the spec for which of these."""
        from harness.training.devices import writes
        from harness.training.examples import examples

        given = examples(pairs or ())
        facts, learnt = self._make(directory, given, seed, progress)
        facts |= self._exported(directory)
        if self.params.looks_up and writes():
            texts = (pair.positive for pair in given) if given else corpus or ()
            contract, config = read_settings(directory)
            tokenizer = (directory / "tokenizer.json").read_text(encoding="utf-8")
            reader = TextReader(tokenizer, contract.document_length, contract.query_length)
            facts |= write_table(directory, self.params, reader, config["vocab_size"], texts, learnt)
        return facts

    def _make(
        self, directory: Path, given: Examples, seed: int, progress: Progress | None
    ) -> tuple[dict[str, object], NDArray[np.float32] | None]:
        """Facts of the model that is written to the directory, and the weights of queries, if it learned some."""
        from harness.encoders.llama_family import adapter_files
        from harness.encoders.llama_family.make import train_model
        from harness.encoders.llama_family.term_selection import trained
        from harness.training.devices import writes
        from harness.training.examples import Texts

        params = self.params
        model, facts = self._prepared(directory)
        if model is None:
            return facts, None
        if params.adapter is not None and params.training is None:
            facts["adapter"] = adapter_files.apply(model, params.adapter, "sparse", params)
            model.save(directory)
            return facts, adapter_files.table(params.adapter).numpy() if params.learns_table else None
        if self.needs() == "pairs" and not given:
            raise UserError("the model needs training pairs", key="pairs", remedy="name a collection that has some")
        passages = Texts(given, lambda pair: pair.positive)
        factors: dict[str, torch.Tensor] = {}
        if params.adapter is None:
            terms = _terms(model, passages, params)
        else:
            facts["adapter"], tensors = adapter_files.add(model, params.adapter, "sparse", params)
            factors, terms = adapter_files.joined([tensors]), trained(tensors, table=params.learns_table)
        phases = [phase for phase in (params.training, params.finetuning) if phase is not None]
        if params.learns_table or any(phase.regularise_idf for phase in phases):
            terms.count(model, passages, table=params.learns_table)
        backbone = adapter_files.mark(model)
        if params.training is not None:

            def objective(phase: TrainingParams) -> Objective:
                return terms.objective(model, phase, seed)

            facts |= train_model(model, objective, params, given, seed, progress, self.checkpoints, factors)
        weights = terms.tensors(len(model.head))
        adapter_files.weigh(model, weights)
        if factors and writes():
            adapter_files.save(directory / adapter_files.FOLDER, "sparse", params, backbone, factors, weights)
        if writes():
            model.save(directory)
        return facts, weights["table"].numpy() if params.learns_table else None

    def load(self, directory: Path, *, threads: int = 1) -> Encoder:
        """Open what `fit` wrote; of looked-up queries the table alone, and the model with the first document."""
        if self.params.looks_up:
            return LookupEncoder(directory, lambda: self._model(directory, threads), self.params.query_terms)
        return self._model(directory, threads)

    def _model(self, directory: Path, threads: int) -> Encoder:
        from harness.encoders.backbones.packed_encoder import PackedSparse

        def on(device: str) -> PackedSparse:
            return PackedSparse(self._opened(directory, device), self.params, self.params.facts())

        return on_devices(self.params, threads, on)


def _terms(model: Model, passages: Sequence[str], params: LaconicParams) -> Terms:
    from harness.encoders.llama_family.term_selection import Terms, biased, spread, weighted

    if params.term_bias is None:
        return Terms()
    if params.term_weight is None:
        background = spread(passages, params.bias_passages)
        return biased(model, background, deviations=params.term_bias, batch_size=params.batch_size)
    return weighted(
        model,
        passages,
        size=params.terms,
        deviations=params.term_bias,
        weight=params.term_weight,
        background=params.bias_passages,
    )
