"""A table of images is checked once, at its border, and then never changes."""

from typing import Any

import numpy as np
import pytest

from tenfold.values.dataset import Dataset, Origin


def made(n: int = 4, **changes: Any) -> Dataset:
    values: dict[str, Any] = {
        "images": np.arange(n * 6, dtype=np.uint8).reshape(n, 1, 2, 3),
        "labels": np.arange(n, dtype=np.int64) % 2,
        "ids": np.arange(1, n + 1),
        "class_names": ("even", "odd"),
        "origin": (Origin("here.csv", "0" * 64),),
    }
    return Dataset(**values | changes)


def test_what_it_says_of_itself() -> None:
    dataset = made()
    assert len(dataset) == 4
    assert dataset.image_shape == (1, 2, 3)
    assert repr(dataset) == "Dataset(4 labelled images of 1x2x3, 2 classes)"
    assert repr(dataset.without_labels()) == "Dataset(4 unlabelled images of 1x2x3, 2 classes)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((4, 2, 3), np.uint8)}, "images must be uint8"),
        ({"images": np.zeros((4, 1, 2, 3), np.float32)}, "images must be uint8"),
        ({"labels": np.zeros(3, np.int64)}, "labels must be int64"),
        ({"labels": np.zeros(4, np.int32)}, "labels must be int64"),
        ({"labels": np.array([0, 1, 2, 0])}, r"labels must be in 0\.\.1, got 0\.\.2"),
        ({"labels": np.array([0, 1, -1, 0])}, r"labels must be in 0\.\.1, got -1\.\.1"),
        ({"ids": np.arange(3)}, "ids must have shape"),
    ],
)
def test_wrong_shapes_types_and_labels_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(**changes)


def test_the_arrays_cannot_be_changed() -> None:
    dataset = made()
    for array in (dataset.images, dataset.labels, dataset.ids):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_rows_are_taken_in_the_order_asked_for() -> None:
    taken = made().take([3, 0])
    assert taken.ids.tolist() == [4, 1]
    assert taken.labels is not None and taken.labels.tolist() == [1, 0]
    assert (taken.images == made().images[[3, 0]]).all()
    assert taken.origin == made().origin
    assert made().without_labels().take([1]).labels is None


def test_an_empty_choice_is_a_dataset() -> None:
    empty = made().take([])
    assert len(empty) == 0
    assert len(empty.fingerprint()) == 64


def test_the_fingerprint_depends_on_content_and_not_on_where_it_lies() -> None:
    dataset = made()
    strided = made(images=np.repeat(dataset.images, 2, axis=0)[::2])
    narrow_ids = made(ids=dataset.ids.astype(np.int16), origin=(), notes=("moved",))
    assert dataset.fingerprint() == strided.fingerprint() == narrow_ids.fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"images": np.zeros((4, 1, 2, 3), np.uint8)},
        {"images": np.arange(24, dtype=np.uint8).reshape(4, 1, 3, 2)},
        {"labels": None},
        {"labels": np.array([1, 1, 0, 0])},
        {"ids": np.array([1, 2, 3, 5])},
        {"ids": np.array(["1", "2", "3", "4"])},
        {"class_names": ("odd", "even")},
    ],
    ids=["pixels", "shape", "no-labels", "labels", "ids", "text-ids", "class-names"],
)
def test_the_fingerprint_changes_with_everything_a_model_could_depend_on(changes: dict[str, Any]) -> None:
    assert made(**changes).fingerprint() != made().fingerprint()
