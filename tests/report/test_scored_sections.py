"""Sections about labelled predictions: confidence, members, evolution, what stands beside a mistake."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportions_ztest

from _report_runs import digits, history, predict
from tenfold.evaluation.calibration import coverage_curve, learn_confidence
from tenfold.evaluation.metrics import expected_calibration_error
from tenfold.evaluation.significance import two_shares
from tenfold.report.figures import rejection_figure
from tenfold.report.sections.certainty import confidence_section
from tenfold.report.sections.learning import ensemble, evolution
from tenfold.report.sections.mistakes import Beside, hardest, mistakes, read_right
from tenfold.report.sections.performance import confusion
from tenfold.values.predictions import Predictions, vote


def test_two_shares_agree_with_statsmodels():
    for right_a, n_a, right_b, n_b in [(9955, 10_000, 2987, 3000), (90, 100, 160, 200), (10, 10, 18, 20)]:
        _, expected = proportions_ztest([right_a, right_b], [n_a, n_b])
        assert two_shares(right_a, n_a, right_b, n_b) == pytest.approx(expected)
    assert two_shares(5, 5, 7, 7) == 1.0
    with pytest.raises(ValueError, match="n >= 1"):
        two_shares(0, 0, 1, 2)


def test_before_and_after_are_the_figures_of_the_model_and_of_the_temperature():
    test, validation = predict(digits(300), {0: 1, 5: 2}), predict(digits(200), {1: 2, 3: 4})
    learnt = learn_confidence(validation)
    section = confidence_section("test", test, learnt, validation)
    before, after = section.honesty
    assert before.calibration_error == expected_calibration_error(test.labels, test.probabilities)
    assert after.calibration_error < before.calibration_error  # 0.9 said, 0.99 right
    assert after.log_loss < before.log_loss
    assert list(section.answered) == ["test", "validation"]
    assert section.answered["validation"].accuracy >= 0.999
    assert {dot.kind for dot in section.dots} == {"before", "after"}


def test_without_held_out_rows_there_is_only_what_the_model_says():
    section = confidence_section("test", predict(digits(100), {0: 1}), None, None)
    assert [row.split for row in section.honesty] == ["before"]
    assert section.answered == {}
    assert section.rejection.threshold is None


def test_the_rejection_figure_falls_and_marks_the_threshold():
    confidence = np.linspace(0.5, 1, 1000)
    correct = np.ones(1000, bool)
    correct[:40] = False  # the least sure ones
    figure = rejection_figure(coverage_curve(confidence, correct), float(confidence[20]))
    xs, ys = np.array([point.split(",") for point in figure.points.split()], float).T
    assert (np.diff(xs) > 0).all()
    assert (np.diff(ys) >= 0).all()  # SVG counts from the top: further down is fewer errors
    assert figure.threshold == pytest.approx(100 * 0.02 / (1.25 * 0.04), abs=0.1)


def test_members_growth_and_diversity():
    data = digits(300)
    members = [predict(data, wrong).probabilities for wrong in ({0: 1, 1: 2}, {0: 1}, dict.fromkeys(range(40, 60), 5))]
    whole = predict(data, {})
    whole = type(whole)(whole.ids, vote(members, "mean"), whole.labels)
    section = ensemble(whole, members, "mean")
    assert [row.errors for row in section.members][:2] == [2, 1]
    assert section.growth[-1].errors == int((~whole.correct).sum())
    assert [row.name for row in section.growth] == ["1 member", "2 members", "3 members"]
    assert section.growth[0].against == ""
    assert section.growth[1].against.startswith("no significant difference")
    assert section.members[2].against == "all better, p < 0.001"
    assert section.pairs[0][1] == 1
    assert section.pairs[1][0] == 1
    assert ensemble(whole, members[:1], "mean") is None


def test_the_evolution_sums_members_and_keeps_those_that_stopped():
    section = evolution([history(3), history(2)], 10)
    assert section.epochs == [1, 2, 3]
    assert section.mistakes[0] == [[4, 9, 3 + 2], [7, 1, 4]]
    assert section.mistakes[2] == [[4, 9, 1 + 1], [7, 1, 4]]
    assert section.totals == [9, 7, 6]
    assert (section.most, section.members, section.right) == (5, 2, [])
    assert evolution([history(1)], 10) is None
    assert evolution([history(3)], 100) is None
    assert evolution([[{"epoch": 1}, {"epoch": 2}]], 10) is None  # runs from before it was recorded


def test_the_evolution_has_a_diagonal_where_the_rows_held_out_are_known():
    data = digits(200)
    section = evolution([history(3), history(2)], 10, predict(data, {}))
    images = np.bincount(data.labels, minlength=10)
    missed = np.zeros(10, dtype=int)
    missed[4], missed[7] = 5, 4
    assert section.right[0] == (2 * images - missed).tolist()
    assert evolution([history(3)], 10, Predictions(data.ids, predict(data, {}).probabilities)).right == []


def test_columns_sum_to_one():
    section = confusion(np.array([[8, 2], [0, 5]]))
    assert [row[0].column_share for row in section.rows] == [1.0, 0.0]
    assert [row[1].column_share for row in section.rows] == [2 / 7, 5 / 7]


def test_beside_a_mistake_stand_votes_and_training_images():
    data = digits(50)
    made = predict(data, {7: 0})
    tile = mistakes(made, Beside(data.images, np.stack([made.predicted, data.labels]), data)).tiles[0]
    assert tile.votes == [0, int(data.labels[7])]
    assert tile.neighbours[0].label == int(data.labels[7])
    assert tile.neighbours[0].distance == 0
    assert len(tile.neighbours) == 3


def test_of_those_that_were_read_right_the_least_sure_stand_behind_the_diagonal():
    data = digits(400)
    made = predict(data, {row: 3 for row in range(50) if data.labels[row] != 3})
    flatter = np.linspace(0, 0.5, len(data), dtype=np.float32)[:, None]  # the last rows are the least sure
    made = Predictions(made.ids, made.probabilities * (1 - flatter) + 0.1 * flatter, made.labels)
    tiles = read_right(made, Beside(data.images)).tiles
    assert all(tile.true == tile.predicted and tile.cell for tile in tiles)
    for k in range(10):
        right = np.flatnonzero((data.labels == k) & (made.predicted == k))
        assert [tile.id for tile in tiles if tile.true == k] == [str(data.ids[row]) for row in right[::-1][:24]]


def test_the_hardest_are_the_least_certain_of_those_that_were_read_right_and_no_mistakes_again():
    data = digits(60)
    made = predict(data, {7: 0, 9: 3})
    doubtful = made.probabilities.copy()
    doubtful[[11, 4]] = 0.0
    doubtful[11, [data.labels[11], (data.labels[11] + 1) % 10]] = 0.51, 0.49
    doubtful[4, [data.labels[4], (data.labels[4] + 1) % 10]] = 0.6, 0.4
    made = Predictions(made.ids, doubtful, made.labels)
    tiles = hardest(made, Beside(data.images)).tiles
    assert [tile.id for tile in tiles[:2]] == ["12", "5"]
    assert not {tile.id for tile in tiles} & {tile.id for tile in mistakes(made, Beside(data.images)).tiles}
