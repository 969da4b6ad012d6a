"""What a run used, and the references for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from reports.latex import Tex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.runs.facts import SystemFacts
    from harness.runs.read import RunData

ENCODERS = {
    "bm25": ("BM25", "robertson2009bm25"), "laconic": ("LACONIC", "xu2026laconic"),
    "dense-twin": ("the dense twin of LACONIC", ""), "sparse-encoder": ("sentence-transformers", "reimers2019sbert"),
    "sentence-transformer": ("sentence-transformers", "reimers2019sbert"),
    "mteb-model": ("mteb", "muennighoff2023mteb"),
}  # fmt: skip
"""Types of encoders, with a reference where there is one."""
INDEXES = {
    "faiss-flat": "douze2024faiss", "faiss": "douze2024faiss", "seismic": "bruch2024seismic", "bmp": "mallia2024bmp",
    "kannolo": "delfino2025kannolo",
}  # fmt: skip
FACTORIES = {"HNSW": "malkov2020hnsw", "PQ": "jegou2011pq", "RaBitQ": "gao2024rabitq"}
"""By what the factory string of a FAISS index names."""
MODELS = {"splade": "formal2021splade", "minilm": "wang2020minilm"}
"""By what a system's name or model says."""
SOFTWARE = {
    "numpy": "harris2020numpy", "scipy": "virtanen2020scipy", "numba": "lam2015numba", "torch": "paszke2019pytorch",
    "transformers": "wolf2020transformers", "sentence-transformers": "reimers2019sbert",
    "ir-measures": "macavaney2022irmeasures", "faiss-cpu": "douze2024faiss", "pyseismic-lsr": "bruch2024seismic",
    "bmp": "mallia2024bmp", "kannolo": "delfino2025kannolo", "mteb": "muennighoff2023mteb",
}  # fmt: skip
METHODS = {
    "ir_measures": "macavaney2022irmeasures", "Student": "student1908mean", "BCa": "efron1987bca",
    "Clopper": "clopper1934limits",
}  # fmt: skip
"""By what the method of a record says."""


@dataclass
class Citations:
    """The references that a text has cited, in order."""

    keys: dict[str, None]

    def __call__(self, keys: Iterable[str]) -> Tex:
        """A citation with the space before it; nothing without a key. The bibliography then has these keys."""
        own = [key for key in dict.fromkeys(keys) if key]
        self.keys |= dict.fromkeys(own)
        return Tex(rf"~\cite{{{','.join(own)}}}" if own else "")


def of_system(system: SystemFacts) -> list[str]:
    """The references of a system's encoder, model and index, or of its fusion."""
    fusion = "cormack2009rrf" if "reciprocal" in system.get("fusion", "") else ""
    return [*of_encoder(system), *of_index(system), fusion]


def of_encoder(system: SystemFacts) -> list[str]:
    """The references of a system's encoder and its model."""
    kind, params = system.get("encoder_type", ""), system.get("encoder_params", {})
    named = " ".join(map(str, (system["name"], system.get("encoder", ""), params.get("model"), params.get("wheel"))))
    models = [key for part, key in MODELS.items() if part in named.lower() and kind != "bm25"]
    lookup = "geng2024inferencefree" if params.get("queries") == "lookup" else ""
    return [ENCODERS.get(kind, ("", ""))[1], *models, lookup]


def of_index(system: SystemFacts) -> list[str]:
    """The references of a system's index."""
    factory = str(system.get("index_params", {}).get("factory", ""))
    return [INDEXES.get(system.get("index_type", ""), ""), *(FACTORIES[part] for part in FACTORIES if part in factory)]


def of_collection(run: RunData, collection: str) -> list[str]:
    """The references of a collection's data."""
    about = run.facts["collections"].get(collection, {}).get("description", {})
    text = f"{collection} {' '.join(about.values())}".lower()
    data = {"beir": "thakur2021beir", "scifact": "wadden2020scifact", "mteb": "muennighoff2023mteb"}
    return [key for part, key in data.items() if part in text]


def of_methods(methods: Iterable[str]) -> list[str]:
    """The references of how records were computed."""
    text = " ".join(methods)
    return [key for part, key in METHODS.items() if part in text]


def bibliography(keys: Iterable[str]) -> str:
    """The file of these references, in the order of their keys."""
    known = entries()
    return "% Written by laconic-bench: the references of what the runs used.\n\n" + "\n".join(
        known[key] for key in sorted(set(keys))
    )


@lru_cache(1)
def entries() -> dict[str, str]:
    """Every reference of ``references.bib`` by its key."""
    text = files("reports.paper").joinpath("references.bib").read_text(encoding="utf-8")
    rows = [f"@{row.strip()}\n" for row in text.split("\n@") if row.strip()]
    return {row.partition("{")[2].partition(",")[0]: row.replace("@@", "@", 1) for row in rows}
