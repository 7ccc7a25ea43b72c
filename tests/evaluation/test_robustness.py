"""What corruptions cost, measured on a model whose failings are known."""

import json

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from _report_runs import digits
from tenfold.errors import UsageError
from tenfold.evaluation.corruptions import CORRUPTIONS, corrupt, released_severities
from tenfold.evaluation.robustness import robustness
from tenfold.values.dataset import Dataset

DATA = digits(300)


def nearest(images: np.ndarray) -> np.ndarray:
    """Probabilities of a model that knows all images by heart and takes the nearest one's label."""
    known = DATA.images.reshape(len(DATA), -1).astype(float)
    asked = images.reshape(len(images), -1).astype(float)
    rows = (np.square(known).sum(axis=1) - 2 * asked @ known.T).argmin(axis=1)
    return np.eye(10, dtype=np.float32)[DATA.labels[rows]]


def test_figures_are_those_of_the_corrupted_images() -> None:
    found = robustness(nearest, DATA, ["gaussian_noise", "inverse"], severities=(1, 5), seed=3)
    assert (found.clean, found.images) == (1.0, 300)
    assert [row.name for row in found.rows] == ["gaussian_noise", "inverse"]
    level = found.rows[0].levels[1]
    right = nearest(corrupt(DATA.images, "gaussian_noise", 5, seed=3)).argmax(axis=1) == DATA.labels
    assert (level.accuracy, level.errors) == (right.mean(), int((~right).sum()))
    assert (level.low, level.high) == pytest.approx(proportion_confint(int(right.sum()), 300, method="wilson"))
    assert found.rows[1].mean == pytest.approx(np.mean([level.accuracy for level in found.rows[1].levels]))
    assert found.mean == pytest.approx(np.mean([row.mean for row in found.rows]))


def test_what_is_noise_is_mcnemar_s_test_corrected_for_all_figures() -> None:
    found = robustness(nearest, DATA, ["translate", "jpeg_compression"], severities=(1, 2, 3))
    levels = [level for row in found.rows for level in row.levels]
    # clean is right everywhere, so that the discordant pairs are the errors; mid-p is the exact p less half the last
    # term
    raw = []
    for level in levels:
        exact = mcnemar([[0, level.errors], [0, 0]], exact=True).pvalue if level.errors else 1.0
        raw.append(exact - 0.5**level.errors if level.errors else 1.0)
    expected = multipletests(raw, method="holm")[1]
    assert [level.p for level in levels] == pytest.approx(list(expected))
    assert found.rows[0].worse_from(found.clean) == 1  # its nearest neighbour of a moved 8 x 8 digit is often another
    for row in found.rows:
        worse = [level.severity for level in row.levels if level.p <= 0.05 and level.errors]
        assert row.worse_from(found.clean) == (worse[0] if worse else None)


def test_everything_is_tried_and_the_fifteen_of_mnist_c_are_summed_up() -> None:
    heard = []
    found = robustness(nearest, DATA, limit=40, progress=lambda what, done, total: heard.append((done, total)))
    assert [row.name for row in found.rows] == list(CORRUPTIONS)
    assert (found.images, heard[0], heard[-1]) == (40, (0, 120), (120, 120))
    accuracy = {(row.name, level.severity): level.accuracy for row in found.rows for level in row.levels}
    assert found.mnist_c == pytest.approx(np.mean([accuracy[pair] for pair in released_severities().items()]))
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False)) == found.as_dict()
    assert robustness(nearest, DATA, ["rotate"]).mnist_c is None


def test_images_are_spread_over_the_data_and_the_same_each_time() -> None:
    seen = []

    def predict(images: np.ndarray) -> np.ndarray:
        seen.append(images)
        return nearest(images)

    robustness(predict, DATA, ["rotate"], severities=[1], limit=4)
    np.testing.assert_array_equal(seen[0], DATA.images[[0, 100, 199, 299]])
    first = robustness(nearest, DATA, ["fog"], limit=50)
    assert robustness(nearest, DATA, ["fog"], limit=50) == first


def test_more_images_than_a_block_are_all_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = robustness(nearest, DATA, ["inverse", "thin"], severities=[2])
    monkeypatch.setattr("tenfold.evaluation.robustness.BLOCK", 70)
    assert robustness(nearest, DATA, ["inverse", "thin"], severities=[2]) == whole  # no dice are thrown in these


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown corruption 'rain'; expected one of: .*rotate, "):
        robustness(nearest, DATA, ["rain"])


def test_one_image_is_enough() -> None:
    one = Dataset(DATA.images[:1], DATA.labels[:1], DATA.ids[:1], DATA.class_names)
    assert robustness(nearest, one, ["scale"]).images == 1
