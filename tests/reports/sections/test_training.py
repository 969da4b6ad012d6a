"""The figures of a training."""

from types import SimpleNamespace

from reports.sections.training import LOGGED, curves


def test_every_logged_value_is_drawn_for_the_encoders_that_have_it():
    parts = {name: 1.0 for name in LOGGED if name != "validation_ndcg@10"}
    sparse = [{"step": n, **parts, "loss": 8.0 / n} for n in range(1, 901)]
    sparse[-1]["validation_ndcg@10"] = 0.7
    twin = [{"step": n, "loss": 2.0, "similarity": 0.1} for n in range(1, 901)]
    found = curves(SimpleNamespace(training={"sparse": sparse, "twin": twin}))
    assert [figure.caption for figure in found] == list(LOGGED.values())
    rows = {name: figure.rows for name, figure in zip(LOGGED, found, strict=True)}
    assert rows["loss"] == [("sparse", "900", "8", "0.008889"), ("twin", "900", "2", "2")]
    assert rows["validation_ndcg@10"] == [("sparse", "900", "0.7", "0.7")]
    assert [row[0] for row in rows["similarity"]] == ["sparse", "twin"]
    assert all(figure.svg.startswith("<svg") for figure in found)


def test_nothing_was_trained():
    assert curves(SimpleNamespace(training={})) == []
