"""Decisions of a person, applied to the data: what is not about these data is refused, and named by row and column."""

from pathlib import Path

import numpy as np
import pytest

from tenfold.errors import DataError
from tenfold.evaluation.label_issues import read_decisions, relabelled
from tenfold.values.dataset import Dataset

DATA = Dataset(
    np.arange(4, dtype=np.uint8)[:, None, None, None].repeat(2, 2).repeat(2, 3),
    np.array([0, 1, 2, 1]),
    np.array(["a", "=b", "c", "d"]),
    ("cat", "+dog", "fox"),
)
HEADER = "id,label,decision,new_label\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_labels_change_stay_and_images_in_doubt_stay_unless_dropped(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "a,cat,relabel,fox\n'=b,'+dog,keep,\nc,fox,cannot tell,\n")
    decisions = read_decisions(path)
    changed = relabelled(DATA, decisions, path)
    assert changed.labels.tolist() == [2, 1, 2, 1]
    assert changed.ids.tolist() == DATA.ids.tolist()
    assert "labels.csv: 1 label changed, 0 images left out of 3 looked at" in changed.notes
    dropped = relabelled(DATA, decisions, path, drop_unclear=True)
    assert dropped.ids.tolist() == ["a", "=b", "d"]
    assert dropped.labels.tolist() == [2, 1, 1]
    assert DATA.labels.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "labels.csv:1: found the columns of an empty file, expected id, label, decision, new_label"),
        ("id,label\n", "labels.csv:1: found the columns id, label, expected id, label, decision, new_label"),
        (HEADER + "a,cat,keep\n", "labels.csv:2: found 3 cells, expected 4"),
        (
            HEADER + "a,cat,perhaps,\n",
            "labels.csv:2:3(decision): found 'perhaps', expected keep, relabel or cannot tell",
        ),
        (HEADER + "a,cat,relabel,\n", "labels.csv:2:4(new_label): found '', expected a class to relabel to"),
        (HEADER + "a,cat,keep,fox\n", "labels.csv:2:4(new_label): found 'fox', expected nothing"),
        (HEADER + "a,cat,keep,\nx,cat,keep,\n", "labels.csv:3:1(id): found the id 'x', expected one of the data"),
        (HEADER + "a,cat,keep,\na,cat,keep,\n", "labels.csv:3:1(id): found the id 'a' again, expected each once"),
        (HEADER + "a,fox,keep,\n", "labels.csv:2:2(label): found 'fox', expected 'cat', the image's label in the data"),
        (
            HEADER + "a,cat,relabel,cow\n",
            "labels.csv:2:4(new_label): found 'cow', expected one of the classes cat, +dog, fox",
        ),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        relabelled(DATA, read_decisions(path), path)
    assert message in str(caught.value)


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "x,cat,keep,\ny,cat,keep,\na,fox,keep,\n")
    with pytest.raises(DataError) as caught:
        relabelled(DATA, read_decisions(path), path)
    assert [problem.row for problem in caught.value.problems] == [2, 3, 4]


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        read_decisions(path)


def test_data_without_labels_take_no_decisions(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "a,cat,keep,\n")
    with pytest.raises(DataError, match="data with labels"):
        relabelled(DATA.without_labels(), read_decisions(path), path)
