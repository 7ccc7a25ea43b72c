import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.data.splits import duplicate_groups, stratified_folds, stratified_split
from tenfold.errors import UsageError

LABELS = np.repeat(np.arange(4), [100, 50, 10, 1])

grouped_rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=2, max_size=60)
"""(label, group) of each row."""


def test_split_takes_the_share_of_every_class() -> None:
    train, held = stratified_split(LABELS, 0.2, seed=0)
    assert np.bincount(LABELS[held], minlength=4).tolist() == [20, 10, 2, 0]
    assert sorted([*train, *held]) == list(range(len(LABELS)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(held) > 0).all()


def test_split_keeps_the_last_row_of_a_class_in_training() -> None:
    train, _ = stratified_split(LABELS, 0.99, seed=0)
    assert set(LABELS[train]) == {0, 1, 2, 3}


def test_split_and_folds_depend_on_the_seed_and_nothing_else() -> None:
    for seed in (0, 1):
        np.testing.assert_array_equal(*(stratified_split(LABELS, 0.2, seed)[1] for _ in range(2)))
        np.testing.assert_array_equal(*(np.concatenate(stratified_folds(LABELS, 3, seed)) for _ in range(2)))
    assert stratified_split(LABELS, 0.2, 0)[1].tolist() != stratified_split(LABELS, 0.2, 1)[1].tolist()
    assert stratified_folds(LABELS, 3, 0)[0].tolist() != stratified_folds(LABELS, 3, 1)[0].tolist()


def test_folds_are_even_in_all_and_in_every_class() -> None:
    folds = stratified_folds(LABELS, 3, seed=0)
    assert sorted(np.concatenate(folds)) == list(range(len(LABELS)))
    assert np.ptp([len(fold) for fold in folds]) <= 1
    assert (np.ptp([np.bincount(LABELS[fold], minlength=4) for fold in folds], axis=0) <= 1).all()


def test_small_groups_even_out_what_a_large_one_leaves() -> None:
    groups = np.array([0, 0, 0, 0, 1, 2, 3, 4])
    assert [len(fold) for fold in stratified_folds(np.zeros(8, np.int64), 2, seed=0, groups=groups)] == [4, 4]


@given(grouped_rows, st.floats(0.05, 0.95), st.integers(0, 2**32))
def test_l04_split_never_separates_a_group(rows: list[tuple[int, int]], share: float, seed: int) -> None:
    labels, groups = np.array(rows).T
    train, held = stratified_split(labels, share, seed, groups)
    assert not set(groups[train]) & set(groups[held])
    assert sorted([*train, *held]) == list(range(len(rows)))


@given(grouped_rows, st.integers(2, 5), st.integers(0, 2**32))
def test_l04_folds_never_separate_a_group(rows: list[tuple[int, int]], k: int, seed: int) -> None:
    labels, groups = np.array(rows).T
    if k > len(set(groups)):
        with pytest.raises(UsageError):
            stratified_folds(labels, k, seed, groups)
        return
    folds = stratified_folds(labels, k, seed, groups)
    assert len(folds) == k
    assert sorted(np.concatenate(folds)) == list(range(len(rows)))
    owners = [set(groups[fold]) for fold in folds]
    assert sum(map(len, owners)) == len(set(groups))


def test_l04_planted_copies_share_a_group() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 1, 4, 4), dtype=np.uint8)
    images[[7, 30]] = images[3]
    images[49] = images[0]
    groups = duplicate_groups(images)
    assert groups[3] == groups[7] == groups[30]
    assert groups[0] == groups[49]
    assert len(set(groups)) == 47


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_impossible_shares_are_usage_errors(share: float) -> None:
    with pytest.raises(UsageError, match="more than 0 and less than 1"):
        stratified_split(LABELS, share, seed=0)


@pytest.mark.parametrize("k", [1, 0, 162])
def test_impossible_folds_are_usage_errors(k: int) -> None:
    with pytest.raises(UsageError, match="expected 2 to 161"):
        stratified_folds(LABELS, k, seed=0)


def test_splitting_needs_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys, tenfold.data.splits, tenfold.data.checks; sys.exit(bool({'torch', 'sklearn', 'scipy'} &"
        " set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
