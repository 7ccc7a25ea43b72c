import gzip
from pathlib import Path

import numpy as np
import pytest

from tenfold.data import ReadOptions
from tenfold.data.convert import convert
from tenfold.data.load import load
from tenfold.errors import ResourceError, UsageError
from tenfold.values.dataset import Dataset

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (30, 1, 5, 5), dtype=np.uint8)
LABELS = np.arange(30) % 10
DATA = Dataset(IMAGES, LABELS, np.arange(1, 31), tuple("0123456789"))


@pytest.mark.parametrize("name", ["x.npz", "x.csv", "x.csv.gz", "x.idx"])
@pytest.mark.parametrize("role", ["train", "test"])
def test_what_is_written_is_what_is_read(tmp_path: Path, name: str, role: str) -> None:
    for data in (DATA, DATA.without_labels()) if role == "test" else (DATA,):
        convert(data, tmp_path / str(data.labels is None) / name, role, overwrite=True)  # type: ignore[arg-type]
        read = load(tmp_path / str(data.labels is None) / name, role, cache=False)  # type: ignore[arg-type]
        assert read.fingerprint() == data.fingerprint()


def test_a_folder_of_images_holds_the_same_images_by_class(tmp_path: Path) -> None:
    convert(DATA, tmp_path / "x")
    read = load(tmp_path / "x")
    order = np.argsort(LABELS, kind="stable")
    np.testing.assert_array_equal(read.images, IMAGES[order])
    assert read.labels is not None
    np.testing.assert_array_equal(read.labels, LABELS[order])
    assert read.ids[0] == "0/000001.png"


def test_colour_and_unlabelled_images(tmp_path: Path) -> None:
    colour = Dataset(RANDOM.integers(0, 256, (4, 3, 5, 6), dtype=np.uint8), None, np.arange(4), ())
    convert(colour, tmp_path / "x", "test")
    np.testing.assert_array_equal(load(tmp_path / "x", "test").images, colour.images)
    with pytest.raises(UsageError, match="IDX holds grey images"):
        convert(colour, tmp_path / "x.idx", "test")


def test_an_empty_class_keeps_its_folder(tmp_path: Path) -> None:
    convert(DATA.take([0, 2]), tmp_path / "x")
    assert load(tmp_path / "x", options=ReadOptions(allow_empty_classes=True)).class_names == DATA.class_names


def test_the_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        convert(DATA, tmp_path / name)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_csv_is_kaggles_table(tmp_path: Path) -> None:
    convert(DATA, tmp_path / "x.csv.gz")
    header, first, *rest = gzip.decompress((tmp_path / "x.csv.gz").read_bytes()).decode().splitlines()
    assert header == "label," + ",".join(f"pixel{i}" for i in range(25))
    assert first == "0," + ",".join(map(str, IMAGES[0].ravel()))
    assert len(rest) == 29


def test_f18_no_class_name_becomes_a_formula(tmp_path: Path) -> None:
    data = Dataset(
        IMAGES, LABELS % 2, np.array([f"=cmd()!{i}" for i in range(30)]), ("=cmd()", "<script>alert(1)</script>")
    )
    convert(data, tmp_path / "x.csv")
    rows = (tmp_path / "x.csv").read_text().splitlines()[1:]
    assert all(cell.isdigit() for row in rows for cell in row.split(","))


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".", "..", ".hidden", "a\nb", "<script>", "x" * 256])
def test_f18_class_names_never_leave_the_folder(tmp_path: Path, name: str) -> None:
    data = Dataset(IMAGES, LABELS % 2, np.arange(30), ("ok", name))
    with pytest.raises(UsageError, match=r"cannot be a folder's name|choose a name that ends in \.npz"):
        convert(data, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.npz", "x.csv", "x.csv.gz", "x.idx"])
def test_existing_files_are_replaced_only_if_asked_to(tmp_path: Path, name: str) -> None:
    paths = convert(DATA, tmp_path / name)
    before = [path.read_bytes() for path in paths]
    with pytest.raises(UsageError, match="--force"):
        convert(DATA.take([0, 1]), tmp_path / name)
    assert [path.read_bytes() for path in paths] == before
    convert(DATA.take([0, 1]), tmp_path / name, overwrite=True)
    assert len(load(tmp_path / name, cache=False)) == 2


def test_an_existing_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(UsageError, match="never replaced"):
        convert(DATA, tmp_path / "x", overwrite=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_an_interrupted_folder_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Path.write_bytes

    def full_disk(path: Path, content: bytes) -> int:
        if path.name == "000020.png":
            raise OSError(28, "No space left on device")
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(ResourceError, match="No space left on device"):
        convert(DATA, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found the suffix '\.xlsx', expected \.npz, \.csv, \.csv\.gz, \.idx"):
        convert(DATA, tmp_path / "x.xlsx")
