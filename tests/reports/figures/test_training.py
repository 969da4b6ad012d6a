"""The figures of a training."""

from types import SimpleNamespace

import pytest
from drawn import Drawing

from harness.errors import UserError
from harness.runs.read import load_run
from reports.figures.training import LOGGED, MOST, Training
from reports.pages.run_page import write_report


def curves(run):
    """The panels of a run."""
    return [panel for sheet in Training.sheets(run) for panel in sheet.panels]


def test_every_logged_value_is_drawn_for_the_encoders_that_have_it():
    parts = {name: 1.0 for name in LOGGED if name != "validation_ndcg@10"}
    sparse = [{"step": n, **parts, "loss": 8.0 / n} for n in range(1, 901)]
    sparse[-1]["validation_ndcg@10"] = 0.7
    twin = [{"step": n, "loss": 2.0, "similarity": 0.1} for n in range(1, 901)]
    found = curves(SimpleNamespace(training={"sparse": sparse, "twin": twin}))
    assert [figure.caption for figure in found] == list(LOGGED.values())
    rows = {name: figure.table().rows for name, figure in zip(LOGGED, found, strict=True)}
    assert rows["loss"] == [("sparse", "900", "8", "0.008889"), ("twin", "900", "2", "2")]
    assert rows["validation_ndcg@10"] == [("sparse", "900", "0.7", "0.7")]
    assert [row[0] for row in rows["similarity"]] == ["sparse", "twin"]
    assert Drawing(found[1]).line("curve-0") == [(900.0, 0.7)]


def test_nothing_was_trained():
    assert curves(SimpleNamespace(training={})) == []


def test_losses_are_drawn_relative_to_their_first_and_the_table_has_them_as_they_are():
    rows = [{"step": 10.0, "loss": 4.0}, {"step": 20.0, "loss": 3.0}, {"step": 30.0, "loss": 1.0}]
    halved = [{**row, "loss": row["loss"] / 2} for row in rows]
    (loss,) = curves(SimpleNamespace(training={"a": rows, "b": halved}))
    assert loss.table().rows == [("a", "30", "4", "1"), ("b", "30", "2", "0.5")]
    drawing = Drawing(loss)
    assert drawing.ax.get_ylabel() == "loss / first loss"
    assert drawing.line("curve-0") == drawing.line("curve-1") == [(10, 1), (20, 0.75), (30, 0.25)]


def test_an_encoder_whose_loss_begins_at_nothing_has_no_curve_of_it():
    """A relative loss would divide by 0."""
    rows = [{"step": 1.0, "loss": 0.0, "similarity": 0.5}, {"step": 2.0, "loss": 1.0, "similarity": 0.6}]
    (similarity,) = curves(SimpleNamespace(training={"a": rows}))
    assert similarity.table().rows == [("a", "2", "0.5", "0.6")]


def test_rows_without_a_step_or_without_the_value_are_left_out():
    rows = [{"loss": 9.0}, {"step": 1.0, "loss": 2.0}, {"step": 2.0}, {"step": 3.0, "loss": 1.0}]
    (loss,) = curves(SimpleNamespace(training={"a": rows}))
    assert loss.table().rows == [("a", "3", "2", "1")]


def test_values_that_the_page_does_not_know_draw_nothing():
    assert curves(SimpleNamespace(training={"a": [{"step": 1.0, "mystery": 2.0}]})) == []


def test_a_colour_follows_the_encoder_also_where_others_lack_the_value():
    rows = [{"step": 1.0, "loss": 1.0, "similarity": 0.1}]
    alone = [{"step": 1.0, "loss": 1.0}]
    loss, similarity = curves(SimpleNamespace(training={"a": alone, "b": rows, "c": rows}))
    shades = {key.text: key.colour for key in Drawing(loss).drawn.keys}
    assert list(shades) == ["a", "b", "c"]
    assert {key.text: key.colour for key in Drawing(similarity).drawn.keys} == {name: shades[name] for name in "bc"}


@pytest.mark.parametrize("steps", [1, 2, MOST, 2 * MOST - 1, 10 * MOST + 7])
def test_a_line_has_no_more_points_than_can_be_seen(steps):
    rows = [{"step": float(n), "similarity": (n % 7) / 7} for n in range(steps)]
    (figure,) = curves(SimpleNamespace(training={"a": rows}))
    line = Drawing(figure).line("curve-0")
    assert min(steps, MOST // 2) <= len(line) <= MOST + 1
    assert set(line) <= {(row["step"], row["similarity"]) for row in rows}
    assert figure.table().rows == [("a", str(steps - 1), "0", f"{(steps - 1) % 7 / 7:.4g}")]


def test_the_report_shows_the_curves_of_the_folder(run_folder):
    run = load_run(run_folder)
    captions = [figure.caption for figure in curves(run)]
    assert captions == [LOGGED[name] for name in ("loss", "validation_ndcg@10", "active_document")]
    text = write_report(run_folder).read_text()
    assert all(caption in text for caption in captions)
    (run_folder / "training.jsonl").unlink()
    assert 'id="training"' not in write_report(run_folder).read_text()


def test_a_broken_line_of_a_curve_is_named(run_folder):
    with (run_folder / "training.jsonl").open("a") as file:
        file.write('{"encoder": "e", "step"\n')
    with pytest.raises(UserError, match=r"training\.jsonl:4"):
        load_run(run_folder)


def test_the_last_step_is_always_drawn():
    """The right end of a curve is where the training ended, however many points are left out."""
    for steps in (2, MOST + 2, 2 * MOST + 2):
        rows = [{"step": float(n), "similarity": 0.5} for n in range(steps)]
        (figure,) = curves(SimpleNamespace(training={"a": rows}))
        assert Drawing(figure).line("curve-0")[-1] == (steps - 1.0, 0.5)
