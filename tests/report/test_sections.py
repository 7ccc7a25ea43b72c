import numpy as np
import pytest

from _report_runs import digits, history, noise, predict
from tenfold.evaluation.metrics import confusion_matrix
from tenfold.report.sections.learning import training
from tenfold.report.sections.mistakes import MOST_PIXELS, MOST_TILES, Beside, fair_choice, mistakes
from tenfold.report.sections.performance import LARGEST, confusion, headline, share_label
from tenfold.report.sections.record import findings, flattened, stages, total_seconds
from tenfold.values.predictions import Predictions


def test_the_first_labelled_set_makes_the_headline():
    data = digits(100)
    made = predict(data, {0: 1, 1: 2})
    unlabelled = Predictions(made.ids, made.probabilities)
    both = headline({"test": made, "validation": predict(data, {})})
    assert (both.main.split, both.main.errors, both.main.n, both.main.accuracy) == ("test", 2, 100, 0.98)
    assert both.main.low < 0.98 < both.main.high
    assert headline({"test": unlabelled, "validation": made}).main.split == "validation"
    assert headline({"test": unlabelled}).main is None


def test_the_best_epoch_is_of_the_mean_and_the_earliest_of_equals():
    first = [{"epoch": e, "train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": a} for e, a in
             enumerate([0.7, 0.9, 0.8], 1)]  # fmt: skip
    second = [row | {"validation_accuracy": a} for row, a in zip(first, [0.7, 0.8, 0.9], strict=True)]
    made = training([first, second])
    assert made.best.epoch == 2
    assert made.best.validation_accuracy == pytest.approx(0.85)
    assert made.last.epoch == 3
    assert [chart.best for chart in made.charts] == [50, 50]


def test_without_validation_there_is_no_best_epoch():
    made = training([history(4, validation=False)])
    assert made.best is None
    assert all(chart.names == ["train"] and chart.best is None for chart in made.charts)


def test_a_single_epoch_has_figures_but_no_curve():
    made = training([history(1)])
    assert made.charts == []
    assert made.last.train_loss == 1


def test_diverged_figures_are_gaps():
    rows = history(3)
    rows[1]["train_loss"] = float("inf")
    made = training([rows])
    assert np.isnan(made.epochs[1].train_loss)
    assert np.isfinite(made.epochs[2].train_loss)


def test_no_history_no_section():
    assert training([]) is None
    assert training([[]]) is None


def test_confusion_colours_mistakes_by_their_own_maximum():
    made = confusion(np.array([[98, 4, 0], [0, 50, 1], [0, 0, 0]]))
    assert made.errors == 5
    assert made.rows[0][1].count_heat == 1
    assert made.rows[1][2].count_heat == 0.5
    assert made.rows[0][0].is_diagonal and made.rows[0][0].count_heat == 1
    assert made.rows[1][2].share == pytest.approx(1 / 51)
    assert made.rows[2][2].share == 0  # a class without images


def test_too_many_classes_leave_the_pairs():
    made = confusion(np.ones((LARGEST + 1, LARGEST + 1), dtype=np.int64))
    assert made.rows is None
    assert made.pairs


@pytest.mark.parametrize(
    ("share", "label"), [(1, "100"), (0.9999, "99.9"), (0.991, "99.1"), (0.0001, "0.1"), (0.0125, "1.3")]
)
def test_rounding_neither_hides_a_mistake_nor_completes_a_class(share, label):
    assert share_label(share) == label


def test_mistakes_come_with_the_surest_first():
    data = digits(50)
    made = mistakes(predict(data, {7: 0, 3: 5}), Beside(data.images))
    assert [(tile.id, tile.true, tile.predicted) for tile in made.tiles] == [("8", 7, 0), ("4", 3, 5)]
    assert made.tiles[0].alternatives[0] == (0, pytest.approx(0.89))
    assert [k for k, _ in made.tiles[0].alternatives] == [0, 1, 2, 7]


def test_no_mistakes_no_sheet():
    data = digits(50)
    made = mistakes(predict(data, {}), Beside(data.images))
    assert (made.tiles, made.total, made.sheet) == ([], 0, None)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (3, 500, 400)])
def test_pictures_stay_within_their_budget(shape):
    data = noise(3000 if shape[1] < 100 else 200, shape, 4)
    made = mistakes(predict(data, {row: (label + 1) % 4 for row, label in enumerate(data.labels)}), Beside(data.images))
    assert made.total == len(data)
    assert 0 < len(made.tiles) <= MOST_TILES
    assert len(made.sheet.uri) < 1.5 * MOST_PIXELS


def test_a_fair_choice_takes_from_every_pair_before_taking_twice():
    rows = np.arange(12)
    true = np.array([0] * 9 + [1, 1, 2])
    chosen = fair_choice(rows, true, 2 - true % 2, 5)
    assert chosen.tolist() == [0, 1, 9, 10, 11]
    assert fair_choice(rows, true, true, 12).tolist() == rows.tolist()


def test_findings_are_worst_first_and_short():
    made = findings(
        [
            {"name": "duplicates", "severity": "note", "count": 3, "total": 9, "message": "m", "ids": [[1, 5]] * 40},
            {"name": "leakage", "severity": "leak", "count": 1, "total": 9, "message": "m", "ids": [[7]]},
        ]
    )
    assert [finding.name for finding in made] == ["leakage", "duplicates"]
    assert made[0].ids == ["7"]
    assert made[1].ids == ["1 = 5"] * 12
    assert made[1].hidden_ids == 28


def test_times_add_up_unless_a_total_was_recorded():
    assert total_seconds({"read": 1, "train": 2}) == 3
    assert total_seconds({"read": 1, "train": 2, "total": 2.5}) == 2.5
    assert total_seconds({}) is None
    assert [(stage.name, stage.share) for stage in stages({"read": 1, "train": 4, "total": 5})] == [
        ("train", 1),
        ("read", 0.25),
    ]


def test_nested_environments_become_rows():
    rows = flattened(
        {
            "cpu": {"cores": 2, "flags": ["avx2", "fma"]},
            "commit": None,
            "deterministic": True,
            "memory_bytes": 2 * 10**9,
        }
    )
    assert rows == [("cpu cores", "2"), ("cpu flags", "avx2, fma"), ("deterministic", "yes"), ("memory", "2.0\u00a0GB")]


def test_confusion_matrix_and_tiles_tell_the_same_story():
    data = digits(200)
    made = predict(data, {row: (int(data.labels[row]) + 1 + row % 3) % 10 for row in range(0, 200, 9)})
    matrix = confusion_matrix(made.labels, made.predicted, 10)
    tiles = mistakes(made, Beside(data.images)).tiles
    counted = np.zeros((10, 10), dtype=np.int64)
    np.add.at(counted, ([tile.true for tile in tiles], [tile.predicted for tile in tiles]), 1)
    np.testing.assert_array_equal(counted, matrix - np.diag(np.diagonal(matrix)))
