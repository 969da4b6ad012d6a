"""The paragraph and the picture for a talk: verdict, assumptions and date, whatever names a run has."""

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import UserError
from harness.runs.read import load_run
from reports.exports import card as module
from reports.exports.card import card, day, paragraph
from reports.exports.export import export
from reports.figures.style import house_style


def texts(figure):
    """Every text of a figure that is not empty, with its box in pixels."""
    figure.draw_without_rendering()
    return [(text.get_text(), text.get_window_extent()) for text in figure.texts if text.get_text()]


def test_a_paragraph_says_verdict_assumptions_cost_and_date(run_folder):
    run = load_run(run_folder)
    text = paragraph(run)
    assert text.count("\n") == 1 and text.endswith("\n")
    assert text.startswith(
        "**Synthetic \\<script\\>alert(1)\\</script\\>** (1 January 2026). 1 of 2 claims is supported."
    )
    assert "✓ Supported on 2 of 2 collections: *less memory*. Yes. On alpha:" in text
    assert "– Not comparable on 2 of 2 collections: *a broken one*." in text
    assert "Assumed: 10 documents and 60 queries of alpha" in text
    assert "Cost: Against dense\\_1: nDCG@10 0.598 instead of 0.398" in text
    assert text.endswith("Measured by laconic-bench, run synthetic-1.\n")
    assert export(run, "md") == text


def test_a_run_without_claims_says_what_stands_out(run_folder):
    run = load_run(run_folder)
    run.facts["claims"] = []
    assert "Best ranking: sparse & co:" in paragraph(run)
    with house_style():
        assert "Best ranking" in [text for text, _ in texts(card(run))]


def test_a_time_that_is_none_stays_as_it_is(run_folder):
    run = load_run(run_folder)
    run.facts["created"] = "some day"
    assert day(run) == "some day"


@pytest.mark.parametrize("long", [False, True])
def test_the_picture_holds_its_texts_and_none_covers_another(run_folder, long):
    run = load_run(run_folder)
    if long:
        run.facts["title"] = "A title of many words " * 9
        run.facts["claims"][0]["name"] = "a claim of many words " * 9
        for system in run.facts["systems"]:
            system["codec"] = "a codec of many words " * 20
    with house_style():
        figure = card(run)
        boxes = texts(figure)
    width, height = figure.bbox.width, figure.bbox.height
    for place, (_, box) in enumerate(boxes):
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
        assert not any(box.overlaps(other) for _, other in boxes[:place])
    axes = figure.axes[0].get_tightbbox()
    assert not any(box.overlaps(axes) for _, box in boxes)
    assert any(text.startswith("1 January 2026, run synthetic-1") for text, _ in boxes)


def test_of_many_systems_those_of_the_claims_and_of_the_front_are_drawn(run_folder, monkeypatch):
    monkeypatch.setattr(module, "SHOWN", 2)
    run = load_run(run_folder)
    names = {point.system for point in module._trade_off(run).points}
    assert names == {"sparse & co", "dense_1"}
    assert module._trade_off(run).caption.endswith("2 of 3 systems.")


def test_the_command_writes_the_same_picture_every_time(run_folder, tmp_path):
    out, again = tmp_path / "card.png", tmp_path / "again.png"
    for path in (out, again):
        result = CliRunner().invoke(app, ["export", str(run_folder), "--format", "png", "--out", str(path)])
        assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b"\x89PNG")
    assert out.read_bytes() == again.read_bytes()
    with pytest.raises(UserError, match="--out"):
        export(load_run(run_folder), "png")
