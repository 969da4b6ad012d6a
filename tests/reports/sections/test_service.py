"""Sentences on the whole service: their shares are those of the records, and silence where search takes most."""

from types import SimpleNamespace

import pytest

from harness.records import record, write_records
from harness.runs.read import load_run
from reports.figures.components import SERVICE
from reports.pages.run_page import page
from reports.sections.service import memory_sentence, openings, time_sentence


def run_of(metrics, **systems):
    """A run in which each system has these values of the metrics."""
    rows = [
        record("r", "c", system, metric, value, method="m")
        for system, values in systems.items()
        for metric, value in zip(metrics, values, strict=True)
    ]
    cells = {("c", row.system, row.metric): row for row in rows}
    return SimpleNamespace(cells=lambda: cells, names=lambda _: list(systems), records_of=lambda _: rows)


def service(**systems):
    return memory_sentence(run_of([f"service_bytes/{part}" for part in SERVICE], **systems), "c")


def timed(**systems):
    return time_sentence(run_of(["latency_encode/mean", "latency_search/mean"], **systems), "c")


def test_the_share_of_the_encoder_is_told_from_the_least_to_the_most():
    text = service(bm25=(10, 60, 20, 10), large=(970, 10, 10, 10), middle=(50, 30, 10, 10))
    assert text == (
        "The encoder takes 10% (bm25) to 97% (large) of the memory of a whole service; a claim on the index alone "
        "leaves this out."
    )


def test_an_encoder_that_is_half_or_less_is_no_warning():
    assert service(one=(50, 30, 10, 10)) == "The encoder takes 50% (one) of the memory of a whole service."


@pytest.mark.parametrize(
    ("encoder", "words"), [(9_990, "over 99% (s)"), (10_000, "100% (s)"), (10, "under 1% (s)"), (0, "0% (s)")]
)
def test_only_the_whole_is_all_and_only_nothing_is_none(encoder, words):
    assert words in service(s=(encoder, 10_000 - encoder, 0, 0))


def test_a_service_that_took_no_memory_has_no_shares():
    assert service(s=(0, 0, 0, 0)) == ""
    assert memory_sentence(run_of([]), "c") == ""


def test_systems_whose_encoding_takes_most_are_counted():
    text = timed(a=(9.0, 1.0), b=(1.0, 9.0), c=(3.0, 1.0))
    assert text == (
        "The search is not where the time goes in 2 of 3 systems: encoding takes 75% (c) to 90% (a) of the mean time "
        "of a query."
    )
    assert " in any of the 2 systems: " in timed(a=(9.0, 1.0), b=(8.0, 2.0))
    assert timed(a=(9.0, 1.0)).startswith("The search is not where the time goes: encoding takes 90% (a) of")


def test_nothing_is_said_where_search_takes_half_or_more():
    assert timed(a=(1.0, 1.0), b=(1.0, 9.0)) == ""


def test_a_run_without_these_metrics_has_no_opening(run_folder):
    run = load_run(run_folder)
    assert openings(run, "alpha") == {}
    assert "whole service:" not in page(run).partition('id="definitions"')[0]


def test_the_page_opens_with_sentence_and_figure_and_names_stay_text(run_folder):
    hostile = "<script>alert(1)</script>"
    metrics = {f"service_bytes/{part}": 1024.0 * (4 - place) for place, part in enumerate(SERVICE)}
    metrics |= {"service_bytes": 10 * 1024.0, "latency_encode/mean": 3e-3, "latency_search/mean": 1e-3}
    rows = [record("r", "alpha", hostile, name, value, method="m") for name, value in metrics.items()]
    write_records(run_folder / "records.jsonl", [*load_run(run_folder).records, *rows])
    html = page(load_run(run_folder))
    memory = html[html.index(">Memory</h3>") : html.index(">Latency</h3>")]
    sentence, figure = memory.index("The encoder takes 40%"), memory.index("Memory of the whole service:")
    assert sentence < figure < memory.index("The whole service</h4>") < memory.index("The index</h4>")
    latency = html[html.index(">Latency</h3>") :]
    assert "encoding takes 75% (&lt;script&gt;" in latency[: latency.index("<h4>")]
    assert "Mean time of a query, end to end." in latency[: latency.index("<h4>")]
    assert hostile not in html
