"""MNIST's own format, case by case."""

from __future__ import annotations

import gzip
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.data import ReadOptions
from tenfold.data.load import load
from tenfold.errors import DataError
from tenfold.values.dataset import Dataset

pytestmark = pytest.mark.usefixtures("own_cache")

PIXELS = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4)
IMAGES = struct.pack(">4B3I", 0, 0, 8, 3, 3, 2, 4) + PIXELS.tobytes()
LABELS = struct.pack(">4BI", 0, 0, 8, 1, 3) + bytes([5, 0, 9])
IMAGES_NAME, LABELS_NAME = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def write(folder: Path, images: bytes = IMAGES, labels: bytes | None = LABELS, ending: str = "") -> Path:
    (folder / (IMAGES_NAME + ending)).write_bytes(images)
    if labels is not None:
        (folder / (LABELS_NAME + ending)).write_bytes(labels)
    return folder / (IMAGES_NAME + ending)


def assert_is_good(dataset: Dataset, labelled: bool = True) -> None:
    np.testing.assert_array_equal(dataset.images, PIXELS[:, np.newaxis])
    assert dataset.ids.tolist() == [1, 2, 3]
    assert dataset.labels is None if not labelled else dataset.labels.tolist() == [5, 0, 9]


@pytest.mark.parametrize("spelling", ["-images-idx3-ubyte", "-images.idx3-ubyte"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("given_as", ["file", "folder"])
def test_read_by_file_or_folder_in_both_spellings(spelling, packed, given_as, tmp_path):
    for role, prefix in (("train", "train"), ("test", "t10k")):
        for name, content in (
            (spelling, IMAGES),
            (spelling.replace("images", "labels").replace("idx3", "idx1"), LABELS),
        ):
            path = tmp_path / (prefix + name + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(content) if packed else content)
        images = tmp_path / (prefix + spelling + (".gz" if packed else ""))
        dataset = load(images if given_as == "file" else tmp_path, role)
        assert_is_good(dataset)
        assert [Path(file.path).name for file in dataset.origin] == [images.name, path.name]


def test_labels_in_the_other_spelling_or_packing_are_found(tmp_path):
    write(tmp_path, labels=None)
    (tmp_path / "train-labels.idx1-ubyte.gz").write_bytes(gzip.compress(LABELS))
    assert_is_good(load(tmp_path))


def test_a_test_set_needs_no_labels_and_a_training_set_does(tmp_path):
    path = write(tmp_path, labels=None)
    assert_is_good(load(path, "test"), labelled=False)
    with pytest.raises(DataError, match=r"without a labels file.*expected train-labels-idx1-ubyte"):
        load(path)


MANY = struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31 - 1, 28)
HALF = struct.pack(">4B3I", 0, 0, 8, 3, 60_000, 2, 4) + bytes(59_999 * 8 + 4)
BAD = {
    "I01 empty": (b"", r"not an IDX file \(magic 0x at offset 0\)"),
    "I01 3 bytes": (b"\0\0\x08", r"not an IDX file \(magic 0x000008 at"),
    "I01 magic": (b"\x01\x02\x08\x03" + IMAGES[4:], r"not an IDX file \(magic 0x01020803 at offset 0\)"),
    "I01 gzip": (gzip.compress(IMAGES), r"not an IDX file \(magic 0x1f8b.*gzip data"),
    "I02": (b"\0\0\x0d\x03" + IMAGES[4:], r"elements of type 0x0d \(float\)"),
    "I02 unknown": (b"\0\0\x77\x03" + IMAGES[4:], r"elements of type 0x77 \(unknown\)"),
    "I03": (b"\0\0\x08\x02" + IMAGES[4:], r"2 dimensions at offset 3, expected 3"),
    "I03 none": (b"\0\0\x08\x00" + IMAGES[4:], r"0 dimensions"),
    "I04": (HALF, r"found 480,012 bytes, expected 480,016 bytes for 60,000 x 2 x 4"),
    "I04 header": (IMAGES[:11], r"a header of 11 bytes, expected 16 bytes"),
    "I05": (IMAGES + b"\0", r"found 41 bytes, expected 40 bytes for 3 x 2 x 4; there are trailing bytes"),
    "I06": (MANY, r"expected 129,127,208,4[0-9,]+ bytes for 2,147,483,648 x 2,147,483,647 x 28"),
    "I07 images": (struct.pack(">4B3I", 0, 0, 8, 3, 0, 2, 4), r"sizes 0 x 2 x 4"),
    "I07 rows": (struct.pack(">4B3I", 0, 0, 8, 3, 3, 0, 4), r"sizes 3 x 0 x 4"),
    "I10 images are labels": (LABELS, r"a file of labels, expected one of images; are the two files swapped\?"),
    "I12 magic": (b"\x03\x08\0\0" + IMAGES[4:], r"the header is little-endian; IDX is big-endian"),
    "I12 sizes": (IMAGES[:4] + struct.pack("<3I", 3, 2, 4) + IMAGES[16:], r"would fit as little-endian \(3 x 2 x 4\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_refused(case, tmp_path):
    content, says = BAD[case]
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=re.escape(str(path)) + ": .*" + says) as caught:
        load(path)
    assert caught.value.exit_code == 3
    assert len(list(tmp_path.iterdir())) == 2


BAD_LABELS = {
    "I08": (struct.pack(">4BI", 0, 0, 8, 1, 2) + b"\0\1", "2 labels, expected 3, .*images in .*images-idx3"),
    "I09": (LABELS[:-1] + b"\x0a", "label 10 at index 2, expected 0..9"),
    "I10 labels are images": (IMAGES, r"a file of images, expected one of labels; are the two files swapped\?"),
    "I04 labels": (LABELS[:-1], r"found 10 bytes, expected 11 bytes"),
    "I01 labels": (b"\0", r"not an IDX file \(magic 0x00 at offset 0\)"),
    "I02 labels": (b"\0\0\x0d\x01" + LABELS[4:], r"elements of type 0x0d \(float\)"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels_are_refused(case, tmp_path):
    labels, says = BAD_LABELS[case]
    with pytest.raises(DataError, match=LABELS_NAME + ": .*" + says):
        load(write(tmp_path, labels=labels))


@pytest.mark.parametrize("case", [*BAD, *BAD_LABELS])
def test_the_command_says_the_same_and_writes_nothing(case, forked, tmp_path):
    content, says = {**BAD, **BAD_LABELS}[case]
    path = write(tmp_path, content) if case in BAD else write(tmp_path, labels=content)
    refused_by_the_command(
        forked("data", "check", path), (LABELS_NAME if case in BAD_LABELS else IMAGES_NAME) + ": .*" + says
    )


COMPRESSED = {
    "I11 truncated": (gzip.compress(IMAGES)[:-9], "damaged or cut off"),
    "I11 bomb": (gzip.compress(IMAGES + bytes(10_000_000)), "more than 40 bytes"),
}


@pytest.mark.parametrize("case", COMPRESSED)
def test_the_command_refuses_damaged_compression_and_writes_nothing(case, forked, tmp_path):
    content, says = COMPRESSED[case]
    refused_by_the_command(forked("data", "check", write(tmp_path, content, gzip.compress(LABELS), ".gz")), says)


def refused_by_the_command(done, says):
    assert done.code == 3, done.stderr
    assert re.search("^error: .*" + says, done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr
    assert done.changed == []


def test_i09_more_classes_by_their_names(tmp_path):
    names = tuple("abcdefghijk")
    dataset = load(write(tmp_path, labels=LABELS[:-1] + b"\x0a"), options=ReadOptions(class_names=names))
    assert dataset.labels.tolist() == [5, 0, 10]


@pytest.mark.parametrize("packed", [False, True])
def test_i06_nothing_is_allocated_for_a_size_that_cannot_be(packed, tmp_path):
    huge = struct.pack(">4B3I", 0, 0, 8, 3, 1000, 1000, 1000) + bytes(1000)
    path = write(tmp_path, gzip.compress(huge) if packed else huge, ending=".gz" if packed else "")
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="1,000,000,016 bytes"):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


PACKED = gzip.compress(IMAGES, mtime=0)


@pytest.mark.parametrize("cut", range(1, len(PACKED), 3))
def test_i11_truncated(cut, tmp_path):
    with pytest.raises(DataError, match=r"damaged or cut off|not an IDX file|not compressed"):
        load(write(tmp_path, PACKED[:cut], gzip.compress(LABELS), ".gz"))


def test_i11_wrong_checksum(tmp_path):
    wrong = bytearray(PACKED)
    wrong[-6] ^= 1
    with pytest.raises(DataError, match="damaged or cut off"):
        load(write(tmp_path, bytes(wrong), gzip.compress(LABELS), ".gz"))


def test_i11_a_bomb_stops_at_the_limit(tmp_path):
    bomb = struct.pack(">4B3I", 0, 0, 8, 3, 100, 100, 100) + bytes(1_000_000)
    path = write(tmp_path, gzip.compress(bomb), gzip.compress(LABELS), ".gz")
    with pytest.raises(DataError, match="1,000,016 bytes"):
        load(path, options=ReadOptions(max_input_bytes=100_000))
    longer = write(tmp_path, gzip.compress(IMAGES + bytes(10_000_000)), gzip.compress(LABELS), ".gz")
    with pytest.raises(DataError, match=r"more than 40 bytes|more than 100,000 bytes"):
        load(longer, options=ReadOptions(max_input_bytes=100_000))


def test_i11_concatenated_members_are_one_file(tmp_path):
    halves = gzip.compress(IMAGES[:20]) + gzip.compress(IMAGES[20:])
    assert_is_good(load(write(tmp_path, halves, gzip.compress(LABELS), ".gz")))


def test_a_folder_without_the_role_names_what_is_missing(tmp_path):
    write(tmp_path)
    with pytest.raises(DataError, match=r"images files for test: none, expected one, such as t10k-images-idx3-ubyte"):
        load(tmp_path, "test")


@given(
    place=st.integers(0, len(IMAGES) - 1), value=st.integers(0, 255), cut=st.integers(0, 3), more=st.binary(max_size=3)
)
def test_a_mutation_is_read_right_or_refused(tmp_path_factory, place, value, cut, more):
    mutated = bytearray(IMAGES)
    mutated[place] = value
    content = bytes(mutated[: len(mutated) - cut]) + more
    folder = tmp_path_factory.getbasetemp()
    try:
        dataset = load(write(folder, content))
    except DataError:
        assert len(content) != len(IMAGES) or content[:16] != IMAGES[:16]
    else:
        assert content[:8] == IMAGES[:8]
        assert len(content) == len(IMAGES)
        assert dataset.images.tobytes() == content[16:]
