"""What is drawn equals the records, of the kinds that have no file of their own here."""

import pytest
from drawn import Drawing
from panels import growth, trade_off

from harness.claims import memory
from harness.errors import UserError
from harness.records import record
from harness.runs.read import load_run
from reports.figures.base import KINDS, Sheet, panel_of, sheets_of, under
from reports.figures.differences import DifferencesKind
from reports.figures.growth import TARGETS
from reports.figures.memory_claim import MemoryClaims, curve


def test_a_trade_off_draws_cost_gain_and_intervals_of_the_records(run_folder):
    run = load_run(run_folder)
    panel = panel_of(run, "trade-off", "alpha", "latency_total/p50")
    drawing, cells = Drawing(panel), run.cells()
    systems = [point.system for point in panel.points]
    rows = [(cells["alpha", s, "latency_total/p50"], cells["alpha", s, "ndcg@10"]) for s in systems]
    assert drawing.points() == [pytest.approx((cost.value * 1e3, gain.value)) for cost, gain in rows]
    across = [[(c.ci_low * 1e3, g.value), (c.ci_high * 1e3, g.value)] for c, g in rows]
    upward = [[(c.value * 1e3, g.ci_low), (c.value * 1e3, g.ci_high)] for c, g in rows]
    assert drawing.segments() == [[pytest.approx(end) for end in segment] for segment in (*across, *upward)]
    assert drawing.ax.get_xlabel() == "Query latency p50 (ms)"
    # sparse & co is quickest and best: it dominates the others
    assert drawing.hollow() == [False, True, True]
    assert [row[-1] for row in panel.table().rows] == ["on the front", "dominated", "dominated"]


def test_the_front_of_a_gain_on_both_axes_runs_the_other_way():
    panel = trade_off(8, "throughput_search/all")
    front = Drawing(panel).line("front")
    xs, ys = zip(*front, strict=True)
    assert list(xs) == sorted(xs, reverse=True)
    assert list(ys) == sorted(ys)


def test_any_metric_can_be_the_cost_of_a_trade_off(run_folder):
    run = load_run(run_folder)
    panel = panel_of(run, "trade-off", "beta", "flops_encode_query")
    assert panel.table().head[:3] == ("System", panel.table().head[1], "nDCG@10")
    with pytest.raises(UserError, match="has not the numbers"):
        panel_of(run, "trade-off", "beta", "energy_query")


def test_differences_are_those_of_the_queries(run_folder):
    run = load_run(run_folder)
    (sheet, *_) = DifferencesKind.sheets(run)
    (panel,) = sheet.panels
    ours, theirs = (run.quality["alpha", name, "ndcg@10"] for name in (panel.first, panel.second))
    gaps = sorted((ours[query] - theirs[query] for query in ours), reverse=True)
    line = Drawing(panel).line("gaps")
    assert line == [
        *((place, pytest.approx(gap)) for place, gap in enumerate(gaps)),
        (len(gaps), pytest.approx(gaps[-1])),
    ]
    assert panel.summary() == "sparse & co is better on 60 queries, dense_1 on 0."


def test_the_curve_of_a_claim_is_the_arithmetic(run_folder):
    drawing = Drawing(curve(0.71, [("a against b", 768.0, 90.0)]))
    for width, terms in drawing.line("curve-fp32"):
        assert terms == memory.terms_for(0.71, "fp32", memory.AS_PUBLISHED, int(width))
    assert drawing.points() == [(768.0, 90.0)]
    ((panel,),) = [sheet.panels for sheet in MemoryClaims.sheets(load_run(run_folder))]
    assert [point[1:] for point in panel.points] == [(128, 90), (128, 90)] or len(panel.points) == 1


def test_growth_draws_what_was_measured_and_the_law():
    panel = growth(2)
    drawing = Drawing(panel)
    measured = [(size, value / 1e9) for own in panel.growths for size, value in zip(own.sizes, own.values, strict=True)]
    assert drawing.points() == [pytest.approx(at) for at in measured]
    line = drawing.line("law-1")
    assert line[-1] == pytest.approx((TARGETS[-1], panel.growths[1].law.at(TARGETS[-1]) / 1e9))


def test_every_kind_says_what_it_shows_and_has_sheets_with_names_of_files(run_folder):
    run = load_run(run_folder)
    sheets = sheets_of(run)
    names = [sheet.name for sheet in sheets]
    assert len(set(names)) == len(names)
    assert all(name == name.strip(".-") and "/" not in name for name in names)
    assert {sheet.kind for sheet in sheets} >= {"trade-off", "components", "latency-spread", "terms", "memory-claim"}
    assert all((KINDS.get(name).__doc__ or "").partition("\n")[0].endswith(".") for name in KINDS.names())
    assert sheets_of(run, ["terms"]) == [sheet for sheet in sheets if sheet.kind == "terms"]
    assert sheets_of(run, [names[0]]) == sheets[:1]
    assert [panel.metric for panel in under(run, "alpha", "Latency")] == ["total", "total", "search"]
    with pytest.raises(UserError, match="did you mean 'terms'"):
        sheets_of(run, ["term"])
    with pytest.raises(UserError, match="no collection 'gamma'"):
        panel_of(run, "terms", "gamma")
    with pytest.raises(UserError, match="did you mean 'document'"):
        panel_of(run, "terms", "alpha", "documents")


def test_a_name_of_a_file_has_nothing_of_a_path():
    assert Sheet("terms", [], collection="../a b/[c=1]").name == "terms-..-a-b--c-1"
    assert Sheet("k", [], part="equal", collection="x").name == "k-equal-x"


def test_figures_whose_names_would_be_equal_have_files_of_their_own(run_folder, tmp_path):
    for name in ("run.json", "records.jsonl", "per_query.jsonl"):
        text = (run_folder / name).read_text().replace('"alpha"', '"a b"').replace('"beta"', '"a/b"')
        (run_folder / name).write_text(text)
    run = load_run(run_folder)
    sheets = sheets_of(run, ["terms", "latency-share"])
    by_name = {sheet.name: sheet.collection for sheet in sheets if sheet.kind == "latency-share"}
    assert by_name == {"latency-share-a-b": "a b", "latency-share-a-b-2": "a/b"}
    (second,) = sheets_of(run, ["latency-share-a-b-2"])
    assert second.collection == "a/b"


def test_a_metric_that_only_the_run_knows_has_a_figure(run_folder):
    run = load_run(run_folder)
    for system, value in (("sparse & co", 1), ("dense_1", 2)):
        run.records.append(record("r", "alpha", system, "build_seconds", value, method="m"))
    assert [p.cost.value for p in panel_of(run, "trade-off", "alpha", "build_seconds").points] == [1, 2]
