"""Two classifiers on the same rows, and what is refused."""

import numpy as np
import pytest

from tenfold.errors import IntegrityError, UsageError
from tenfold.evaluation.compare import Seeds, aligned, compare, compare_seeds
from tenfold.evaluation.metrics import log_loss
from tenfold.values.predictions import Predictions

N = 200


def made(wrong: list[int], ids: object = None, n: int = N) -> Predictions:
    """Right everywhere but on the rows ``wrong``."""
    labels = np.arange(n) % 3
    read = labels.copy()
    read[wrong] = (read[wrong] + 1) % 3
    probabilities = np.full((n, 3), 0.05, np.float32)
    probabilities[np.arange(n), read] = 0.9
    return Predictions(np.arange(n) if ids is None else np.asarray(ids), probabilities, labels)


def shuffled(some: Predictions, seed: int = 0) -> Predictions:
    order = np.random.default_rng(seed).permutation(len(some))
    return Predictions(some.ids[order], some.probabilities[order], some.labels[order])


def test_the_counts_and_the_rows() -> None:
    found = compare(made([1, 2, 3, 9]), made([3, 4]))
    assert (found.both_right, found.only_a, found.only_b, found.both_wrong) == (195, 1, 3, 1)
    assert found.rows.tolist() == [1, 2, 4, 9]
    assert (found.sides[0].errors, found.sides[1].errors) == (4, 2)
    assert found.accuracy.value == pytest.approx(-0.01)
    assert found.accuracy.low < -0.01 < found.accuracy.high
    assert found.verdict == "no significant difference (p = 0.38)"


def test_a_clear_difference_is_called_one() -> None:
    found = compare(made([0]), made(list(range(30))))
    assert found.verdict == "A better, p < 0.001"
    assert found.accuracy.low > 0
    assert found.log_loss.high < 0


def test_rows_are_matched_by_their_ids_whatever_their_order() -> None:
    a, b = made([1, 2, 3]), made([3, 4])
    found = compare(a, shuffled(b))
    assert np.array_equal(found.b.ids, a.ids)
    assert found.b.correct.tolist() == b.correct.tolist()
    assert found.log_loss.value == pytest.approx(
        log_loss(a.labels, a.probabilities) - log_loss(b.labels, b.probabilities), abs=1e-6
    )


def test_labels_of_one_side_are_enough() -> None:
    b = made([3, 4])
    found = compare(Predictions(b.ids, b.probabilities, None), made([1]))
    assert (found.only_a, found.only_b) == (1, 2)


def test_different_rows_are_refused_with_examples() -> None:
    with pytest.raises(
        UsageError, match=r"200 and 200, 5 only in the first \(such as 0\) and 5 only in the second \(such as 200\)"
    ):
        compare(made([1]), made([1], ids=np.arange(5, N + 5)))
    with pytest.raises(UsageError, match="200 and 100, 100 only in the first"):
        compare(made([1]), made([1], n=100))


def test_ids_that_occur_twice_are_refused() -> None:
    with pytest.raises(UsageError, match="the id 7 occurs twice"):
        compare(made([1], ids=[*range(8), 7, *range(9, N)]), made([1]))


def test_other_labels_mean_other_data() -> None:
    a = made([1])
    with pytest.raises(IntegrityError, match=r"200 images have different labels .* id 0: found class 0 and class 1"):
        compare(a, Predictions(a.ids, a.probabilities, (a.labels + 1) % 3))


def test_nothing_can_be_said_without_labels_or_rows() -> None:
    a = made([1])
    unknown = Predictions(a.ids, a.probabilities, None)
    with pytest.raises(UsageError, match="neither has labels"):
        compare(unknown, unknown)
    with pytest.raises(UsageError, match="no rows"):
        aligned([made([], n=0)])


def test_seeds_as_mean_deviation_and_number() -> None:
    seeds = Seeds((0.98, 0.99, 1.0))
    assert (seeds.number, seeds.mean, seeds.deviation) == (3, pytest.approx(0.99), pytest.approx(0.01))
    assert Seeds((0.98,)).deviation == 0


def test_recipes_differ_when_seeds_and_images_agree() -> None:
    weak = [made(list(range(40 + k))) for k in range(3)]
    strong = [made(list(range(5 + k))) for k in range(3)]
    assert compare_seeds(strong, [shuffled(w) for w in weak]).verdict == "A better, p < 0.001"


def test_seeds_that_agree_on_a_single_image_prove_nothing_about_others() -> None:
    found = compare_seeds([made([]), made([])], [made([0]), made([0])])
    assert found.p_seeds == 0
    assert found.verdict == "no significant difference (the seeds agree, but 200 images are too few)"


def test_one_seed_says_nothing_about_a_recipe() -> None:
    with pytest.raises(UsageError, match="two seeds or more; found 1 and 2"):
        compare_seeds([made([])], [made([]), made([1])])
