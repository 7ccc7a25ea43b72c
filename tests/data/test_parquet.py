"""Parquet: the same images as from a table, and faults by row and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tenfold.data import ReadOptions
from tenfold.data.load import load
from tenfold.errors import DataError

pytestmark = pytest.mark.usefixtures("own_cache")

COLUMNS: dict[str, Any] = {"label": [1, 0], "pixel0": [2, 6], "pixel1": [3, 7], "pixel2": [4, 8], "pixel3": [5, 9]}


def made(folder: Path, **changes: Any) -> Path:
    columns = {name: values for name, values in {**COLUMNS, **changes}.items() if values is not None}
    parquet.write_table(pa.table(columns), folder / "train.parquet")
    return folder / "train.parquet"


def test_it_is_the_table_of_the_same_columns(tmp_path: Path) -> None:
    data = load(made(tmp_path))
    assert data.images.tolist() == [[[[2, 3], [4, 5]]], [[[6, 7], [8, 9]]]]
    assert data.labels is not None and data.labels.tolist() == [1, 0]
    assert len(data.origin[0].sha256) == 64


def test_columns_may_stand_in_any_order_and_values_may_be_shares(tmp_path: Path) -> None:
    swapped = dict(reversed(COLUMNS.items()))
    parquet.write_table(pa.table(swapped), tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").fingerprint() == load(made(tmp_path)).fingerprint()
    shares = {name: np.array(values) / 255 for name, values in COLUMNS.items() if name != "label"}
    path = made(tmp_path, **shares)
    with pytest.raises(DataError, match=r"train\.parquet:1:2\(pixel0\): found values of type double.*--scale"):
        load(path)
    assert load(path, options=ReadOptions(scale=1.0)).images.ravel().tolist() == [2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pixel1": [3, 300]}, r":2:3\(pixel1\): found 300, expected 0\.\.255"),
        ({"pixel1": [-1, 3]}, r":1:3\(pixel1\): found -1"),
        ({"pixel1": [3, None]}, r":2:3\(pixel1\): found nothing"),
        ({"label": [1, 10]}, r":2:1\(label\): found label 10, expected 0\.\.9"),
        ({"label": None}, "no column 'label'"),
        ({"pixel2": None}, "no column 'pixel2'"),
        ({"other": [1, 2]}, "a column named 'other'"),
        ({name: [] for name in COLUMNS}, "no data rows"),
        ({**dict.fromkeys(list(COLUMNS)[1:]), "image": [b"x", b"y"]}, "image 1"),
        ({**dict.fromkeys(list(COLUMNS)[1:]), "image": ["x", "y"]}, r":1:1\(image\): found no bytes"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(made(tmp_path, **changes))


def test_a_damaged_file_is_said_to_be_one(tmp_path: Path) -> None:
    path = made(tmp_path)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-20])
    with pytest.raises(DataError, match="damaged"):
        load(path)
    content[4:40] = bytes(36)
    path.write_bytes(content)
    with pytest.raises(DataError):
        load(path)


def test_a_file_that_unpacks_to_more_than_allowed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="raise --max-input-bytes"):
        load(made(tmp_path), options=ReadOptions(max_input_bytes=100))
