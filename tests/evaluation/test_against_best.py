"""Which of many accuracies differ significantly, over images and over seeds."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tenfold.evaluation.compare import Scored, against_best
from tenfold.evaluation.leaderboard import Row, group_runs
from tenfold.evaluation.significance import mcnemar_mid_p
from tenfold.values.accuracy import Accuracy


def answers(wrong: int, rows: str = "test-1", first: int = 0) -> Scored:
    correct = np.ones(1000, bool)
    correct[first : first + wrong] = False
    return Scored(rows, correct)


def test_each_is_measured_against_the_best_and_corrected_for_their_number() -> None:
    found = against_best({"good": answers(10), "same": answers(14, first=8), "bad": answers(60)})
    p_values = multipletests([mcnemar_mid_p(12, 8), mcnemar_mid_p(50, 0)], method="holm")[1]
    assert found == {
        "good": "best",
        "same": f"no significant difference (p = {p_values[0]:.2f})",
        "bad": "worse, p < 0.001",
    }


def test_other_images_are_another_contest() -> None:
    assert against_best({"a": answers(10), "b": answers(60, "test-2"), "c": answers(30, "test-2")}) == {
        "c": "best",
        "b": "worse, p < 0.001",
    }


def rows(recipe: str, test: Sequence[float], images: str = "test-1", **more: object) -> list[Row]:
    return [
        Row(
            f"{recipe}-{seed}",
            "complete",
            recipe=recipe,
            seed=seed,
            group=recipe,
            images=images,
            test=Accuracy.stated(accuracy),
            seconds=10.0,
            core_seconds=5.0,
            **more,  # type: ignore[arg-type]
        )
        for seed, accuracy in enumerate(test)
    ]


def test_seeds_are_one_row() -> None:
    best, near, far = [0.992, 0.994, 0.993], [0.9925, 0.9935, 0.992], [0.96, 0.961, 0.962]
    groups = group_runs([*rows("far", far), *rows("best", best), *rows("near", near), *rows("once", [0.9])])
    assert [(group.name, len(group.runs)) for group in groups] == [("best", 3), ("near", 3), ("far", 3), ("once", 1)]
    assert groups[0].test is not None
    assert (groups[0].test.mean, groups[0].test.deviation) == (pytest.approx(0.993), pytest.approx(0.001))
    p_values = multipletests([stats.ttest_ind(best, x, equal_var=False).pvalue for x in (far, near)], method="holm")[1]
    assert [g.against_best for g in groups] == [
        "best",
        f"no significant difference (p = {p_values[1]:.2f})",
        "worse, p < 0.001",
        "",
    ]


def test_what_is_not_complete_or_leaked_or_of_other_images_is_no_seed() -> None:
    found = group_runs(
        [*rows("a", [0.9, 0.91]), *rows("a", [0.8], "test-2"), *rows("a", [1.0], leaked=True), Row("x", "damaged")]
    )
    assert sorted(group.runs for group in found) == [("a-0",), ("a-0", "a-1")]


def test_two_recipes_of_one_name_are_told_apart() -> None:
    one, other = rows("same", [0.9]), rows("same", [0.8])
    other = [Row(**{**vars(row), "group": "fedcba987"}) for row in other]
    assert [group.name for group in group_runs([*one, *other])] == ["same same", "same fedcba"]
