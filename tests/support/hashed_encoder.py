"""An encoder of whole numbers, so that sums in any order are the same; tests install it for their runs."""

from mteb_tasks import WIDTH, vectors_of

from harness.encoders.synthetic import SyntheticDense, SyntheticDenseEncoder

ENTRY_POINTS = '[project.entry-points."laconic_bench.encoders"]\nhashed = "hashed_encoder:Hashed"\n'


class HashedEncoder(SyntheticDenseEncoder):
    """Words by their hash."""

    def encode_documents(self, texts):
        """Rows x dimensions."""
        return vectors_of(texts)

    encode_queries = encode_documents


class Hashed(SyntheticDense):
    """Its type."""

    def load(self, directory, *, threads=1):
        """Nothing is read."""
        assert self.params.dimensions == WIDTH
        return HashedEncoder(self.params)
