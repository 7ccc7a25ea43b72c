"""Sources block by block and piece by piece: the same images, the same refusals, in constant memory."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.data import ReadOptions
from tenfold.data.load import load, load_blocks, load_pieces
from tenfold.data.sources import regrouped
from tenfold.errors import DataError
from tenfold.values.dataset import Dataset

pytestmark = pytest.mark.usefixtures("own_cache")

N, SIDE = 103, 6
GROUP = 10
OPTIONS = ReadOptions(shape=(1, SIDE, SIDE), class_names=tuple("0123456789"))


def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE), dtype=np.uint8)


def table(header: bool = True, ending: str = "\n") -> str:
    lines = [",".join(map(str, [row % 10, *image.ravel().tolist()])) for row, image in enumerate(pixels())]
    names = ["label", *(f"pixel{n}" for n in range(SIDE * SIDE))]
    return ending.join([",".join(names)] * header + lines) + ending


def csv(folder: Path) -> Path:
    (folder / "test.csv").write_text(table())
    return folder / "test.csv"


def csv_gz(folder: Path) -> Path:
    (folder / "test.csv.gz").write_bytes(gzip.compress(table().encode()))
    return folder / "test.csv.gz"


def csv_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("test.csv", table())
    return folder / "data.zip"


def csv_with_blank_end(folder: Path) -> Path:
    (folder / "test.csv").write_text(table(ending="\r\n") + "\r\n \n" * 40)
    return folder / "test.csv"


def idx(folder: Path) -> Path:
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(struct.pack(">4I", 0x803, N, SIDE, SIDE) + pixels().tobytes())
    (folder / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, N) + bytes(row % 10 for row in range(N)))
    return path


def idx_gz(folder: Path) -> Path:
    plain = idx(folder)
    packed = plain.with_name(plain.name + ".gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return packed


def npz(folder: Path) -> Path:
    np.savez(folder / "data.npz", x_test=pixels(), y_test=np.arange(N) % 10)
    return folder / "data.npz"


def classes(folder: Path) -> Path:
    for row, image in enumerate(pixels()):
        (folder / "images" / str(row % 10)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "images" / str(row % 10) / f"{row}.png")
    return folder / "images"


def loose(folder: Path) -> Path:
    (folder / "images").mkdir()
    for row, image in enumerate(pixels()):
        Image.fromarray(image).save(folder / "images" / f"{row:03d}.png")
    return folder / "images"


def parquet(folder: Path) -> Path:
    from pyarrow import parquet, table

    flat = pixels().reshape(N, -1)
    columns = {"label": np.arange(N) % 10, **{f"pixel{n}": flat[:, n] for n in range(SIDE * SIDE)}}
    parquet.write_table(table(columns), folder / "test.parquet", row_group_size=GROUP)
    return folder / "test.parquet"


def parquet_of_images(folder: Path) -> Path:
    import io

    from pyarrow import parquet, table

    def encoded(image: np.ndarray) -> dict[str, object]:
        content = io.BytesIO()
        Image.fromarray(image).save(content, "PNG")
        return {"bytes": content.getvalue(), "path": None}

    columns = {"image": [encoded(image) for image in pixels()], "label": (np.arange(N) % 10).tolist()}
    parquet.write_table(table(columns), folder / "images.parquet", row_group_size=N)
    return folder / "images.parquet"


MAKERS = [parquet, parquet_of_images, csv, csv_gz, csv_zip, csv_with_blank_end, idx, idx_gz, npz, classes, loose]
IN_PIECES = {parquet, csv, csv_with_blank_end, idx, classes, loose}


def joined(blocks: list[Dataset]) -> Dataset:
    labels = None if blocks[0].labels is None else np.concatenate([block.labels for block in blocks])
    ids = np.concatenate([block.ids for block in blocks])
    return Dataset(np.concatenate([block.images for block in blocks]), labels, ids, blocks[0].class_names)


@pytest.mark.parametrize("rows", [1, 7, 50, N, 1000])
@pytest.mark.parametrize("make", MAKERS)
def test_blocks_are_what_is_read_as_a_whole(make, rows, tmp_path):
    path = make(tmp_path)
    whole = load(path, "test", OPTIONS, cache=False)
    blocks = list(load_blocks(path, "test", OPTIONS, rows))
    assert [len(block.data) for block in blocks[:-1]] == [rows] * ((N - 1) // rows)
    assert joined([block.data for block in blocks]).fingerprint() == whole.fingerprint()
    shares = [block.share for block in blocks]
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] == 1


@pytest.mark.parametrize("rows", [1, 10, 52, N, 1000])
@pytest.mark.parametrize("make", MAKERS)
def test_pieces_together_are_the_whole(make, rows, tmp_path):
    path = make(tmp_path)
    whole = load(path, "test", OPTIONS, cache=False)
    pieces = list(load_pieces(path, "test", OPTIONS, rows))
    least = -(-rows // GROUP) * GROUP if make is parquet else rows  # of whole row groups
    assert len(pieces) == (-(-N // least) if make in IN_PIECES else 1)
    blocks = [block.data for piece in reversed(pieces) for block in load_blocks(path, "test", OPTIONS, 5, piece)]
    assert sorted(joined(blocks).ids.tolist()) == sorted(whole.ids.tolist())
    blocks = [block.data for piece in pieces for block in load_blocks(path, "test", OPTIONS, 5, piece)]
    assert joined(blocks).fingerprint() == whole.fingerprint()
    if make in IN_PIECES:
        assert sum(piece.share for piece in pieces) == pytest.approx(1, abs=0.05)  # a header is in no piece
        assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_a_table_without_a_header_has_pieces_too(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("\ufeff" + table(header=False), "utf-8")
    options = ReadOptions(header=False, shape=OPTIONS.shape, class_names=OPTIONS.class_names)
    pieces = list(load_pieces(path, "test", options, 40))
    blocks = [block.data for piece in pieces for block in load_blocks(path, "test", options, 40, piece)]
    assert joined(blocks).fingerprint() == load(path, "test", options, cache=False).fingerprint()


FAULTS = {
    "a bad value": lambda text: text[:-30] + "x" + text[-29:],
    "a blank line in the middle": lambda text: (
        "\n\n".join(text.rsplit("\n", 5)[:2]) + "\n" + "\n".join(text.rsplit("\n", 5)[2:])
    ),
    "cut off": lambda text: text[:-20],
    "many faults": lambda text: text.replace(",17,", ",x17,"),
    "no rows": lambda text: text.split("\n")[0] + "\n",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_as_when_the_whole_is_read(fault, tmp_path):
    path = tmp_path / "test.csv"
    path.write_text(FAULTS[fault](table()))
    with pytest.raises(DataError) as whole:
        load(path, "test", OPTIONS, cache=False)
    with pytest.raises(DataError) as streamed:
        list(load_blocks(path, "test", OPTIONS, 10))
    assert streamed.value.lines() == whole.value.lines()
    with pytest.raises(DataError) as in_pieces:
        for piece in load_pieces(path, "test", OPTIONS, 10):
            list(load_blocks(path, "test", OPTIONS, 10, piece))
    assert in_pieces.value.problems[0] == whole.value.problems[0]


@pytest.mark.parametrize("change", [-3, 3])
@pytest.mark.parametrize("make", [idx, idx_gz])
def test_an_idx_file_of_another_size_is_refused(make, change, tmp_path):
    path = make(tmp_path)
    content = gzip.decompress(path.read_bytes()) if make is idx_gz else path.read_bytes()
    content = content[:change] if change < 0 else content + b"abc"
    path.write_bytes(gzip.compress(content) if make is idx_gz else content)
    with pytest.raises(DataError) as whole:
        load(path, "test", OPTIONS)
    with pytest.raises(DataError) as streamed:
        list(load_blocks(path, "test", OPTIONS, 10))
    assert str(streamed.value) == str(whole.value)
    with pytest.raises(DataError):
        [list(load_blocks(path, "test", OPTIONS, 10, piece)) for piece in load_pieces(path, "test", OPTIONS, 10)]


def test_bad_images_are_told_together_or_left_out(tmp_path):
    path = loose(tmp_path)
    for name in ("010.png", "050.png"):
        (path / name).write_bytes(b"not an image")
    with pytest.raises(DataError) as caught:
        list(load_blocks(path, "test", OPTIONS, 8))
    assert [Path(problem.file).name for problem in caught.value.problems] == ["010.png", "050.png"]
    skipping = ReadOptions(shape=OPTIONS.shape, class_names=OPTIONS.class_names, skip_bad=True)
    blocks = [block.data for block in load_blocks(path, "test", skipping, 8)]
    assert joined(blocks).fingerprint() == load(path, "test", skipping).fingerprint()
    assert sum("skipped" in note for note in blocks[-1].notes) == 2


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    path = csv(tmp_path)
    blocks = load_blocks(path, "test", OPTIONS, 10)
    next(blocks)
    with path.open("a") as file:
        file.write("1\n")
    with pytest.raises(DataError, match="changed during reading"):
        list(blocks)


@pytest.mark.parametrize("make", [csv, csv_gz, idx])
def test_memory_does_not_grow_with_the_source(make, tmp_path):
    """Twenty times the images, and no more memory than a few blocks: what a block takes is not what a source takes."""
    peaks = []
    for times in (20, 400):
        folder = tmp_path / str(times)
        folder.mkdir()
        path = make(folder)
        if make is idx:
            path.write_bytes(struct.pack(">4I", 0x803, N * times, SIDE, SIDE) + pixels().tobytes() * times)
            path.with_name("t10k-labels-idx1-ubyte").unlink()
        else:
            header, _, rows = table().partition("\n")
            text = (header + "\n" + rows * times).encode()
            path.write_bytes(gzip.compress(text, 1) if make is csv_gz else text)
        tracemalloc.start()
        count = sum(len(block.data) for block in load_blocks(path, "test", OPTIONS, 512))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == N * times
    assert peaks[1] < peaks[0] + 2_000_000


def test_regrouping_keeps_rows_and_order():
    arrays = [np.arange(start, start + n)[:, None] for start, n in ((0, 3), (3, 0), (3, 11), (14, 1))]
    blocks = list(regrouped(arrays, 4))
    assert [len(block) for block in blocks] == [4, 4, 4, 3]
    assert np.concatenate(blocks).ravel().tolist() == list(range(15))
