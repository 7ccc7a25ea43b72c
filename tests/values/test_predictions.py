"""What a model said: kept exactly, and never with NaN."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tenfold.errors import IntegrityError
from tenfold.values.predictions import Predictions

PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)


def test_class_confidence_and_accuracy() -> None:
    predictions = Predictions(np.array([1, 2, 3]), PROBABILITIES, np.array([0, 1, 1]))
    assert len(predictions) == 3
    assert predictions.predicted.tolist() == [0, 1, 0]
    assert predictions.confidence.tolist() == pytest.approx([0.9, 0.8, 0.6])
    assert predictions.correct.tolist() == [True, True, False]
    assert predictions.accuracy == pytest.approx(2 / 3)


def test_without_labels_nothing_can_be_correct() -> None:
    with pytest.raises(ValueError, match="no labels"):
        _ = Predictions(np.arange(3), PROBABILITIES).accuracy


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_and_counted(bad: float) -> None:
    broken = PROBABILITIES.copy()
    broken[1] = bad
    with pytest.raises(IntegrityError, match="1 of 3 predictions hold NaN or infinity") as caught:
        Predictions(np.arange(3), broken)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (PROBABILITIES[:2], None, "probabilities must be"),
        (PROBABILITIES.astype(np.float64), None, "probabilities must be"),
        (PROBABILITIES[:, 0], None, "probabilities must be"),
        (PROBABILITIES, np.zeros(2, np.int64), "labels must have shape"),
    ],
)
def test_wrong_shapes_are_refused(probabilities: np.ndarray, labels: np.ndarray | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictions(np.arange(3), probabilities, labels)


@pytest.mark.parametrize("labels", [None, np.array([0, 1, 1])], ids=["unlabelled", "labelled"])
@pytest.mark.parametrize("ids", [np.array([7, 8, 9]), np.array(["a", "é", "漢"])], ids=["numbers", "text"])
def test_there_and_back(tmp_path: Path, ids: np.ndarray, labels: np.ndarray | None) -> None:
    before = Predictions(ids, PROBABILITIES, labels)
    digest = before.save(tmp_path / "p.npz")
    after = Predictions.load(tmp_path / "p.npz")
    assert (after.ids == ids).all()
    assert (after.probabilities == PROBABILITIES).all()
    assert (after.labels is None) if labels is None else (after.labels == labels).all()
    assert after.save(tmp_path / "again.npz") == digest  # no clock in the file


def test_text_ids_that_are_python_objects_are_stored_as_text(tmp_path: Path) -> None:
    Predictions(np.array(["a", "bb", "c"], dtype=object), PROBABILITIES).save(tmp_path / "p.npz")
    assert Predictions.load(tmp_path / "p.npz").ids.tolist() == ["a", "bb", "c"]


def damage(path: Path, kind: str) -> None:
    good = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("ids,probabilities\n")
    elif kind == "truncated":
        path.write_bytes(good[: len(good) // 2])
    elif kind == "bit":
        at = good.index(PROBABILITIES.tobytes())
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, PROBABILITIES)
    elif kind == "objects":
        np.savez(path, ids=np.array([{}, {}, {}], dtype=object), probabilities=PROBABILITIES)
    elif kind == "other-arrays":
        np.savez(path, x=np.zeros(3))
    elif kind == "other-shape":
        np.savez(path, ids=np.arange(2), probabilities=PROBABILITIES)
    elif kind == "zip-of-junk":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("ids.npy", b"junk")
            archive.writestr("probabilities.npy", b"\x93NUMPY\x01\x00\xff\xff")


@pytest.mark.parametrize(
    "kind",
    ["missing", "empty", "text", "truncated", "bit", "npy", "objects", "other-arrays", "other-shape", "zip-of-junk"],
)
def test_a_damaged_file_is_an_integrity_error_that_names_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p.npz"
    Predictions(np.arange(3), PROBABILITIES).save(path)
    damage(path, kind)
    with pytest.raises(IntegrityError, match=r"p\.npz is not a readable predictions file"):
        Predictions.load(path)
