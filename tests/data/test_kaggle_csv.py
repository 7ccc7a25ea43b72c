"""The strict table reader, case by case. Lines and columns count from 1, the header included."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import os
import random
import re
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _bad_tables import BAD, BODY, GOOD, GZIPPED, HEAD, ROWS, ZEROS, header, wide, with_row
from tenfold.data import ReadOptions, Role
from tenfold.data.load import load
from tenfold.data.sources import kaggle_csv
from tenfold.data.sources._csv_cells import parse_digits
from tenfold.errors import DataError, ResourceError, UsageError
from tenfold.values.dataset import Dataset


def write(folder: Path, content: bytes, name: str = "train.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read(
    folder: Path, content: bytes, role: Role = "train", options: ReadOptions | None = None, name: str = "train.csv"
) -> Dataset:
    return load(write(folder, content, name), role, options or ReadOptions(), cache=False)


def assert_is_good(dataset: Dataset) -> None:
    np.testing.assert_array_equal(dataset.images.reshape(len(ROWS), 4), np.array(ROWS)[:, 1:])
    np.testing.assert_array_equal(dataset.labels, np.array(ROWS)[:, 0])
    np.testing.assert_array_equal(dataset.ids, [1, 2, 3, 4])
    assert dataset.image_shape == (1, 2, 2)
    assert dataset.class_names == tuple("0123456789")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.case)
def test_refused_with_its_place_and_nothing_written(bad, tmp_path):
    path = write(tmp_path, bad.content, bad.name)
    with pytest.raises(DataError, match=bad.pattern(path)) as caught:
        load(path, bad.role, bad.options)
    assert caught.value.exit_code == 3
    assert "\0" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [bad.name]


STARTED_ANEW = ["C01", "C04", "C22", "C37 CRC"]
"""These also in a process that is started as a user would; the others in one that is forked, which takes 30 ms."""


@pytest.mark.parametrize("bad", [bad for bad in BAD if not bad.options.class_names], ids=lambda bad: bad.case)
def test_the_command_says_the_same_and_writes_nothing(bad, forked, cli, tmp_path):
    path = write(tmp_path, bad.content, bad.name)
    for run in (forked, cli)[: 1 + (bad.case in STARTED_ANEW)]:
        outcome = run("data", "check", path, "--role", bad.role, *bad.flags())
        assert outcome.code == 3, outcome.stderr
        assert re.search("^error: " + bad.pattern(path), outcome.stderr, re.MULTILINE), outcome.stderr
        assert "Traceback" not in outcome.stderr
        assert outcome.changed == []


def test_c05_every_row_at_fault_is_one_line_with_places_and_counts_the_others(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, HEAD + b"1,2,3,4,5,\n" * 1254)
    lines = caught.value.lines()
    assert len(lines) == 2
    assert ":2:6" in lines[0] and re.search(r"\(20 such; also 3:6\S*, 4:6\S*, 5:6\S* and 16 more\)$", lines[0])
    assert lines[1] == "... and 1,234 more"


VARIANTS = {
    "plain": GOOD,
    "C09 no newline at the end": GOOD.rstrip(b"\n"),
    "C10 blank lines at the end": GOOD + b"\n \n\n",
    "C19 quoted": re.sub(rb"([^,\n]+)", rb'"\1"', GOOD),
    "C19 spaces": GOOD.replace(b",", b" ,\t "),
    "C19 spaces and quotes": with_row(3, b'0, "7" ,0 ,"0", 200'),
    "C23 BOM": codecs.BOM_UTF8 + GOOD,
    "C26 CRLF": GOOD.replace(b"\n", b"\r\n"),
    "C26 CRLF no newline at the end": GOOD.replace(b"\n", b"\r\n").rstrip(),
    "leading zeros": with_row(3, b"00,007,0,0000,0200"),
    "label in capitals": GOOD.replace(b"label", b"Label"),
    "pixels from 1": b"label,pixel1,pixel2,pixel3,pixel4\n" + BODY,
    "pixels in a grid": b"label,1x1,1x2,2x1,2x2\n" + BODY,
}


@pytest.mark.parametrize("content", VARIANTS.values(), ids=VARIANTS.keys())
def test_documented_variants_read_alike(content, tmp_path):
    assert_is_good(read(tmp_path, content))


def test_c03_no_header_when_told(tmp_path):
    assert_is_good(read(tmp_path, BODY, options=ReadOptions(header=False)))
    unlabelled = read(tmp_path, b"1,2,3,4\n", "test", ReadOptions(header=False))
    assert unlabelled.labels is None
    assert unlabelled.images.ravel().tolist() == [1, 2, 3, 4]


def test_c16_float_integers_when_told(tmp_path):
    options = ReadOptions(allow_float_integers=True)
    assert_is_good(read(tmp_path, with_row(5, b"3.0,1e2,9.9e1,9.,1.0e+1"), options=options))


def test_c17_scaled_when_told(tmp_path):
    content = HEAD + b"1,0.0,0.5,1.0,.25\n2,0,1,0.00196,0.00197\n"
    images = read(tmp_path, content, options=ReadOptions(scale=1)).images.reshape(2, 4)
    assert images.tolist() == [[0, 128, 255, 64], [0, 255, 0, 1]]
    with pytest.raises(DataError, match=r":2:2\(pixel0\): found '1.5', .*0..1 in the file"):
        read(tmp_path, HEAD + b"1,1.5,0,0,0\n", options=ReadOptions(scale=1))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_cannot_be_meant_is_a_usage_error(scale):
    with pytest.raises(UsageError, match="--scale"):
        ReadOptions(scale=scale)


def test_c29_columns_in_another_order_are_put_right_by_name(tmp_path):
    order = [3, 0, 4, 2, 1]
    names = HEAD.strip().split(b",")
    lines = [names, *([b"%d" % value for value in row] for row in ROWS)]
    dataset = read(tmp_path, b"".join(b",".join(line[index] for index in order) + b"\n" for line in lines))
    assert_is_good(dataset)
    assert any("put right by their names" in note for note in dataset.notes)
    assert read(tmp_path, GOOD).notes == ()


def test_c30_a_test_table_with_labels_says_so(tmp_path):
    dataset = read(tmp_path, GOOD, "test", name="test.csv")
    assert_is_good(dataset)
    assert any("'label'" in note and "evaluation only" in note for note in dataset.notes)


def test_a_test_table_has_no_labels_and_ids_from_1(tmp_path):
    dataset = read(tmp_path, b"pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n5,6,7,8\n", "test", name="test.csv")
    assert dataset.labels is None
    assert dataset.ids.tolist() == [1, 2]
    assert dataset.ids.dtype == np.int64


def test_c32_a_class_with_one_row_and_classes_without_are_fine_to_read(tmp_path):
    assert np.bincount(read(tmp_path, GOOD).labels, minlength=10).tolist() == [1, 0, 0, 2, 0, 0, 0, 0, 0, 1]
    assert len(read(tmp_path, HEAD + b"7,1,2,3,4\n", "test")) == 1


def test_c33_colour_images_by_shape(tmp_path):
    values = list(range(12))
    row = b",".join(b"%d" % n for n in values) + b"\n"
    dataset = read(tmp_path, header(12) + b"1," + row + b"2," + row, options=ReadOptions(shape=(3, 2, 2)))
    assert dataset.image_shape == (3, 2, 2)
    assert dataset.images[0].ravel().tolist() == values


def test_c34_all_zeros_and_equal_rows_are_fine_to_read(tmp_path):
    dataset = read(tmp_path, HEAD + b"1,0,0,0,0\n2,0,0,0,0\n")
    assert not dataset.images.any()


def test_c31_more_classes_by_their_names(tmp_path):
    names = tuple(f"class {n}" for n in range(300))
    dataset = read(tmp_path, with_row(3, b"299,1,2,3,4"), options=ReadOptions(class_names=names))
    assert dataset.labels.tolist() == [3, 299, 9, 3]
    assert dataset.class_names == names


def test_c35_a_zip_archive_named_csv(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("train.csv", GOOD)
    with pytest.raises(DataError, match=r"is a zip archive; rename to train\.zip"):
        read(tmp_path, buffer.getvalue())


def test_c36_a_bomb_stops_at_the_limit_with_little_memory(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(HEAD)
        for _ in range(100):
            file.write(b"1,0,0,0,0\n" * 100_000)
    assert _peak_growth(path, 20_000_000) < 60  # MiB: 2,000,000 rows are 8 MiB of pixels and 16 of labels


def test_c43_a_line_without_end_needs_little_memory(tmp_path):
    path = tmp_path / "endless.csv"
    with open(path, "wb") as file:
        file.write(HEAD)
        file.truncate(100_000_000)
    assert _peak_growth(path, 4_000_000_000) < 100


def _peak_growth(path: Path, limit: int) -> float:
    """By how many MiB reading ``path``, in a process of its own, raises the peak of its memory; reading must be
    refused.
    """
    code = (
        "import resource, sys; from pathlib import Path\nfrom tenfold.data.load import load; from tenfold.data import"
        " ReadOptions; from tenfold.errors import DataError\npeak = lambda:"
        " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\nbefore = peak()\ntry: load(Path(sys.argv[1]),"
        " options=ReadOptions(max_input_bytes=int(sys.argv[2])))\nexcept DataError: print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path, str(limit)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device", "dangling", "circle"])
def test_c38_what_is_no_file_is_refused_at_once(kind, tmp_path):
    path = tmp_path / "train.csv"
    if kind == "folder":
        (path / "empty").mkdir(parents=True)
        path = path / "empty" / ".." / "empty"
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            old = Path.cwd()
            os.chdir(tmp_path)  # socket paths are short
            try:
                server.bind("train.csv")
            finally:
                os.chdir(old)
    elif kind == "device":
        path = Path(os.devnull).with_name("zero")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "gone.csv")
    else:
        path.symlink_to(path)
    started = time.monotonic()
    with pytest.raises(DataError, match=re.escape(str(path))):
        load(path)
    assert time.monotonic() - started < 2


def test_c39_missing_names_what_is_near(tmp_path):
    write(tmp_path, GOOD, "train.csv")
    with pytest.raises(
        DataError, match=r"trian.csv: found no such file .*data set's name: .*mnist.*did you mean train.csv\?"
    ):
        load(tmp_path / "trian.csv")
    with pytest.raises(DataError, match="did you mean mnist"):
        load("minst")


def test_c39_not_readable_is_the_machines_fault(tmp_path, monkeypatch):
    path = write(tmp_path, GOOD)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tenfold.data.streams.os.open", refuse)
    with pytest.raises(ResourceError, match=re.escape(str(path)) + ".*Permission denied") as caught:
        load(path)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("change", ["append", "cut", "touch"])
def test_c40_a_file_that_changes_while_it_is_read(change, tmp_path, monkeypatch):
    path = write(tmp_path, HEAD + BODY * 20_000)

    def parse_and_change(block: bytes, fields: int) -> object:
        if change == "append":
            with open(path, "ab") as file:
                file.write(b"1,2,3,4,5\n")
        elif change == "cut":
            os.truncate(path, 300_007)
        else:
            os.utime(path, ns=(1, 1))
        return parse_digits(block, fields)

    monkeypatch.setattr(kaggle_csv, "parse_digits", parse_and_change)
    with pytest.raises(DataError, match="changed during reading"):
        load(path)


def test_the_origin_is_the_path_as_given_and_the_hash_of_its_bytes(tmp_path):
    for name, content in [("train.csv", GOOD), ("train.csv.gz", GZIPPED), ("digits.zip", zipped({"train.csv": GOOD}))]:
        dataset = read(tmp_path, content, name=name)
        assert_is_good(dataset)
        assert [(file.path, file.sha256) for file in dataset.origin] == [
            (str(tmp_path / name), hashlib.sha256(content).hexdigest())
        ]


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_kaggles_zip_holds_both_roles(tmp_path):
    test = b"pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n"
    content = zipped({"sample_submission.csv": b"ImageId,Label\n1,0\n", "test.csv": test, "train.csv": GOOD})
    assert_is_good(read(tmp_path, content, name="digit-recognizer.zip"))
    assert len(read(tmp_path, content, "test", name="digit-recognizer.zip")) == 1
    assert_is_good(read(tmp_path, zipped({"folder/digits.csv": GOOD}), name="one.zip"))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"test.csv": b"", "sample_submission.csv": b""}, "a zip archive without train.csv"),
        ({"a/train.csv": GOOD, "b/train.csv": GOOD}, "2 files named train.csv"),
        ({"readme.txt": b""}, "no tables at all"),
        ({"train.csv": GOOD + bytes(2_000_000)}, "more than 1,000,000 bytes|NUL|found"),
    ],
)
def test_archives_that_cannot_be_meant(files, says, tmp_path):
    with pytest.raises(DataError, match=says):
        read(tmp_path, zipped(files), name="digits.zip", options=ReadOptions(max_input_bytes=1_000_000))


def test_c37_a_zip_with_a_flipped_bit(tmp_path):
    content = bytearray(zipped({"train.csv": wide(*(b"%d," % (n % 10) + ZEROS for n in range(50)))}))
    content[200] ^= 0x40
    with pytest.raises(DataError, match=r"digits\.zip"):
        read(tmp_path, bytes(content), name="digits.zip")


def test_a_folder_holds_a_table_for_each_role(tmp_path):
    write(tmp_path, GZIPPED, "train.csv.gz")
    write(tmp_path, b"pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n", "test.csv")
    assert_is_good(load(tmp_path, cache=False))
    assert len(load(tmp_path, "test", cache=False)) == 1
    (tmp_path / "test.csv").unlink()
    with pytest.raises(DataError, match=r"a folder without test.csv"):
        load(tmp_path, "test", cache=False)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_blocks_of_any_size_give_the_same(block, tmp_path, monkeypatch):
    monkeypatch.setattr(kaggle_csv, "BLOCK", block)
    for content in VARIANTS.values():
        assert_is_good(read(tmp_path, content))
    for bad in BAD:
        if len(bad.content) < 10_000 and bad.name == "train.csv" and bad.case[:3] not in ("C24", "C41", "C42"):
            with pytest.raises(DataError, match=bad.says):
                read(tmp_path, bad.content, bad.role, bad.options)


def test_quick_and_careful_agree_on_random_tables(tmp_path, monkeypatch):
    generator = random.Random(1)
    rows = [[generator.randrange(10), *(generator.choice([0, 5, 42, 255]) for _ in range(4))] for _ in range(5000)]
    content = HEAD + b"".join(b",".join(b"%d" % value for value in row) + b"\n" for row in rows)
    quick = read(tmp_path, content)
    monkeypatch.setattr(kaggle_csv, "parse_digits", lambda block, fields: None)
    careful = read(tmp_path, content)
    assert quick.fingerprint() == careful.fingerprint()
    np.testing.assert_array_equal(quick.images.reshape(-1, 4), np.array(rows)[:, 1:])


# mutations of a valid table: accepted and equal to a reference parse, or refused; never a third thing


def reference(content: bytes) -> list[list[int]] | None:
    """The rows of a table by the rules in plain words, or None if it must be refused."""
    text = content.decode("latin-1").removeprefix("ï»¿").replace("\r\n", "\n").rstrip("\n \t")
    header, *lines = text.split("\n")
    names = [re.sub(r'^"(.*)"$', r"\1", name.strip()) for name in header.split(",")]
    if [name if name.lower() != "label" else "label" for name in names] != HEAD.decode().strip().split(","):
        return None
    rows = []
    for line in lines:
        cells = [re.fullmatch(r'[ \t]*("?)([0-9]+)\1[ \t]*', cell) for cell in line.split(",")]
        if len(cells) != 5 or not all(cells):
            return None
        row = [int(cell[2]) for cell in cells if cell]
        if row[0] > 9 or max(row) > 255:
            return None
        rows.append(row)
    return rows if len({row[0] for row in rows}) > 1 else None


PIECES = st.sampled_from(
    [b"0", b"9", b",", b"\n", b"\r", b"\r\n", b'"', b" ", b"\t", b".", b"-", b"+", b"e", b"\0", b"\xff", b";", b"256"]
)


@given(place=st.integers(0, len(GOOD)), gone=st.integers(0, 6), put=st.lists(PIECES, max_size=3).map(b"".join))
def test_a_mutation_is_read_right_or_refused(tmp_path_factory, place, gone, put):
    content = GOOD[:place] + put + GOOD[place + gone :]
    expected = reference(content)
    try:
        dataset = read(tmp_path_factory.getbasetemp(), content, name="mutated.csv")
    except DataError as error:
        if expected is not None:
            assert "put right" not in str(error)
            raise AssertionError(f"{content!r} was refused: {error}") from error
        return
    rows = np.column_stack([dataset.labels, dataset.images.reshape(len(dataset), -1)]).tolist()
    if expected is None:
        assert renamed_only(content, rows), f"{content!r} was read as {rows}"
    else:
        assert rows == expected


def renamed_only(content: bytes, rows: list[list[int]]) -> bool:
    """Whether only the header differs, in a way that names the same pixels."""
    header, _, body = content.replace(b"\r\n", b"\n").partition(b"\n")
    same = reference(HEAD + body)
    return header != HEAD.strip() and same is not None and rows == same


@given(content=st.binary(max_size=300))
def test_noise_is_refused(tmp_path_factory, content):
    with pytest.raises(DataError):
        read(tmp_path_factory.getbasetemp(), content, name="noise.csv")


@given(body=st.text(alphabet='0129,\n\r" .', max_size=60))
def test_any_body_is_read_right_or_refused(tmp_path_factory, body):
    content = HEAD + body.encode()
    expected = reference(content)
    try:
        dataset = read(tmp_path_factory.getbasetemp(), content, name="body.csv")
    except DataError:
        assert expected is None
    else:
        assert np.column_stack([dataset.labels, dataset.images.reshape(len(dataset), -1)]).tolist() == expected
