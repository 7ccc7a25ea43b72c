import io
import os
import re
import socket
import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tenfold.data import ReadOptions
from tenfold.data.checks.equal_images import label_conflicts
from tenfold.data.load import load
from tenfold.data.sources import image_folder
from tenfold.errors import DataError, IntegrityError

pytestmark = pytest.mark.usefixtures("own_cache")

RANDOM = np.random.default_rng(0)


def picture(level: int | None = None, shape: tuple[int, ...] = (6, 5)) -> Image.Image:
    pixels = RANDOM.integers(0, 256, shape) if level is None else np.full(shape, level)
    return Image.fromarray(pixels.astype(np.uint8))


def folder_of(root: Path, classes: Mapping[str, int]) -> Path:
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            picture().save(root / name / f"{i}.png")
    return root


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "digits", {"0": 2, "1": 3})


def test_classes_are_folders_and_ids_are_paths(digits: Path) -> None:
    data = load(digits)
    assert data.class_names == ("0", "1")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 1, 1, 1]
    assert data.ids.tolist() == ["0/0.png", "0/1.png", "1/0.png", "1/1.png", "1/2.png"]
    for row, name in enumerate(data.ids):
        with Image.open(digits / name) as image:
            np.testing.assert_array_equal(data.images[row, 0], np.asarray(image))


def test_classes_sort_by_value_if_they_are_numbers_and_as_text_otherwise(tmp_path: Path) -> None:
    assert load(folder_of(tmp_path / "a", {"10": 1, "9": 1, "1": 1})).class_names == ("1", "9", "10")
    assert load(folder_of(tmp_path / "b", {"10": 1, "9": 1, "b": 1})).class_names == ("10", "9", "b")


def test_r06_neither_directory_order_nor_times_nor_place_matter(digits: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    for name in reversed(load(digits).ids):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes((digits / name).read_bytes())
        os.utime(other / name, (1, 1))
    assert load(other).fingerprint() == load(digits).fingerprint()
    assert load(other).origin[0].sha256 == load(digits).origin[0].sha256


def test_f01_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found no class folders"):
        load(tmp_path / "empty")
    with pytest.raises(DataError, match="a folder without images"):
        load(tmp_path / "empty", "test")


def test_f01_images_without_class_folders_do_not_train(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    with pytest.raises(DataError, match="found no class folders"):
        load(tmp_path)


def test_f01_one_class(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one class folder \(7\), expected .* at least two classes"):
        load(folder_of(tmp_path / "x", {"7": 2}))


def test_f02_an_empty_class_is_refused_or_keeps_its_place(digits: Path) -> None:
    (digits / "00").mkdir()
    with pytest.raises(DataError, match="00: found a class folder without images"):
        load(digits)
    data = load(digits, options=ReadOptions(allow_empty_classes=True))
    assert data.class_names == ("0", "00", "1")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 2, 2, 2]
    assert data.notes == ("class 00 has no images",)


def test_f02_a_class_emptied_by_skipping_is_noticed(digits: Path) -> None:
    for path in (digits / "0").iterdir():
        path.write_bytes(b"bad")
    with pytest.raises(DataError, match="a class folder without images"):
        load(digits, options=ReadOptions(skip_bad=True))


def test_f03_other_classes_than_expected(digits: Path) -> None:
    with pytest.raises(IntegrityError, match="found the classes 0, 1; expected 0, 1, 2") as caught:
        load(digits, "test", ReadOptions(class_names=("0", "1", "2")))
    assert caught.value.exit_code == 6


def test_f03_the_order_expected_is_kept(digits: Path) -> None:
    data = load(digits, "test", ReadOptions(class_names=("1", "0")))
    assert data.class_names == ("1", "0")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 1, 1]


def test_f04_hidden_files_are_ignored_and_counted(digits: Path) -> None:
    (digits / "0" / ".DS_Store").write_bytes(b"x")
    (digits / "1" / "Thumbs.db").write_bytes(b"x")
    (digits / "__MACOSX").mkdir()
    (digits / ".git").mkdir()
    data = load(digits)
    assert len(data) == 5
    assert data.notes == ("ignored 4 hidden files",)


def test_f05_other_files_are_named_all_together(digits: Path) -> None:
    (digits / "0" / "notes.txt").write_text("hello")
    (digits / "1" / "x.svg").write_text("<svg/>")
    (digits / "readme.html").write_text("<html>")
    with pytest.raises(DataError) as caught:
        load(digits)
    assert [Path(problem.file).name for problem in caught.value.problems] == ["readme.html", "notes.txt", "x.svg"]
    data = load(digits, options=ReadOptions(skip_bad=True))
    assert len(data) == 5
    assert [note.startswith("skipped ") for note in data.notes] == [True, True, True]


def test_f07_a_png_with_something_behind_it_is_read_and_noted(digits: Path) -> None:
    with open(digits / "0" / "1.png", "ab") as file:
        file.write(b"#!/bin/sh")
    (note,) = load(digits).notes
    assert "1.png: 9 bytes after the end of the PNG image" in note


def test_f05_a_thousand_bad_files_make_a_short_message(digits: Path) -> None:
    for i in range(1000):
        (digits / "1" / f"{i:04}.txt").touch()
    with pytest.raises(DataError) as caught:
        load(digits)
    assert len(caught.value.lines()) == 2
    assert "(20 such; also " in caught.value.lines()[0]
    assert caught.value.lines()[-1] == "... and 980 more"
    notes = load(digits, options=ReadOptions(skip_bad=True)).notes
    assert len(notes) == 21
    assert notes[-1] == "and 980 more skipped files"


def test_f16_another_size_is_an_error_that_names_the_file(digits: Path) -> None:
    picture(shape=(28, 29)).save(digits / "1" / "odd.png")
    with pytest.raises(DataError, match=r"odd\.png: found 1x28x29 .*, expected 1x6x5, the shape of the first image"):
        load(digits)
    with pytest.raises(DataError, match="expected 1x28x29, the shape asked for") as caught:
        load(digits, options=ReadOptions(shape=(1, 28, 29)))
    assert caught.value.total == 5


def test_colour_among_grey_is_an_error_unless_a_shape_is_asked_for(digits: Path) -> None:
    picture(shape=(6, 5, 3)).save(digits / "1" / "colour.png")
    with pytest.raises(DataError, match="pass --shape 1x6x5 to convert the colours"):
        load(digits)
    assert load(digits, options=ReadOptions(shape=(1, 6, 5))).images.shape == (6, 1, 6, 5)
    assert load(digits, options=ReadOptions(shape=(3, 6, 5))).images.shape == (6, 3, 6, 5)
    with pytest.raises(DataError, match="expected 2x6x5"):
        load(digits, options=ReadOptions(shape=(2, 6, 5)))


ODD_NAMES = [
    b"a b.png",
    b"new\nline.png",
    b"quote'\".png",
    b"..png",
    b"-rf.png",
    b"\xff\xfe.png",
    "\N{WAVING HAND SIGN}.png".encode(),
]


@pytest.mark.parametrize("name", [*ODD_NAMES, b"x" * 251 + b".png"])
def test_f17_any_file_name_is_read_and_printable(digits: Path, name: bytes) -> None:
    path = digits / "1" / os.fsdecode(name)
    path.write_bytes((digits / "0" / "0.png").read_bytes())
    data = load(digits)
    if name.startswith(b"."):  # hidden, by the rule for hidden files
        assert len(data) == 5
        return
    assert len(data) == 6
    data.fingerprint()
    path.write_bytes(b"broken")
    with pytest.raises(DataError) as caught:
        load(digits)
    (line,) = caught.value.lines()
    assert line.isprintable()
    line.encode()


def test_f17_class_folders_that_are_not_utf8_or_collide_when_escaped(digits: Path) -> None:
    folder = digits / os.fsdecode(b"\xff")
    folder.mkdir()
    (folder / "a.png").write_bytes((digits / "0" / "0.png").read_bytes())
    assert load(digits).class_names == ("0", "1", "\\xff")
    folder_of(digits, {"\\xff": 0})
    (digits / "\\xff" / "a.png").write_bytes((digits / "0" / "0.png").read_bytes())
    with pytest.raises(DataError, match="read alike once escaped"):
        load(digits)


def test_f19_a_link_to_a_folder_above_is_a_loop(digits: Path) -> None:
    (digits / "1" / "again").symlink_to(digits, target_is_directory=True)
    with pytest.raises(DataError, match="again: found a link to a folder above it: a loop"):
        load(digits)


def test_f19_links_out_are_followed_only_if_asked_for(digits: Path, tmp_path: Path) -> None:
    picture().save(tmp_path / "outside.png")
    (digits / "1" / "link.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(DataError, match=r"link\.png: found a link that leads out .*--follow-links"):
        load(digits)
    assert len(load(digits, options=ReadOptions(follow_links=True))) == 6


def test_f19_links_inside_and_links_to_nowhere(digits: Path) -> None:
    (digits / "1" / "twin.png").symlink_to(digits / "1" / "0.png")
    assert len(load(digits)) == 6
    (digits / "1" / "lost.png").symlink_to(digits / "1" / "none.png")
    with pytest.raises(DataError, match=r"lost\.png: found a link that leads nowhere"):
        load(digits)


def test_pipes_and_sockets_are_named_and_not_waited_for(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(digits / "0" / "pipe.png")
    monkeypatch.chdir(digits / "0")  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.png")
        with pytest.raises(DataError) as caught:
            load(digits)
    assert [problem.found for problem in caught.value.problems] == ["neither a file nor a folder"] * 2


def test_f20_many_files_in_one_folder_take_memory_for_the_result_only(tmp_path: Path) -> None:
    content = folder_of(tmp_path / "x", {"0": 1, "1": 1}) / "0" / "0.png"
    picture(shape=(64, 64)).save(content)
    (tmp_path / "x" / "1" / "0.png").unlink()
    for i in range(2000):
        (tmp_path / "x" / "1" / f"{i}.png").hardlink_to(content)
    tracemalloc.start()
    data = load(tmp_path / "x", cache=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data) == 2001
    assert peak < data.images.nbytes + 4 * 2**20


def test_more_than_max_input_bytes_is_refused_before_the_array_is_made(digits: Path) -> None:
    with pytest.raises(DataError, match="5 images of 150 bytes, expected at most 149; raise --max-input-bytes"):
        load(digits, options=ReadOptions(max_input_bytes=149))
    assert len(load(digits, options=ReadOptions(max_input_bytes=150))) == 5


def test_f21_the_same_image_under_two_classes_is_found(digits: Path) -> None:
    (digits / "1" / "same.png").write_bytes((digits / "0" / "1.png").read_bytes())
    finding = label_conflicts(load(digits))
    assert finding.ids == (("0/1.png", "1/same.png"),)


def test_f22_a_file_that_goes_away_is_named(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = image_folder.decode_image

    def decode_and_remove(*arguments: object, **options: object) -> object:
        (digits / "1" / "2.png").unlink(missing_ok=True)
        return decode(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(image_folder, "decode_image", decode_and_remove)
    with pytest.raises(DataError, match=r"2\.png: found no such file"):
        load(digits)


def test_a_flat_folder_is_an_unlabelled_test_set(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        picture().save(tmp_path / name)
    data = load(tmp_path, "test", ReadOptions(class_names=("x", "y")))
    assert data.labels is None
    assert data.ids.tolist() == ["a.png", "b.png"]
    assert data.class_names == ("x", "y")


def test_nothing_readable_is_an_error_even_when_skipping(digits: Path) -> None:
    for path in digits.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="an empty file"):
        load(digits, options=ReadOptions(skip_bad=True))


GOOD_PNG = picture(7)


def png_bytes(image: Image.Image = GOOD_PNG, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def bad(case: str, name: str, content: bytes, says: str, *flags: str) -> Any:
    """A folder of digits with the file ``name`` among class 1: what the command says of it."""
    return pytest.param(name, content, says, flags, id=case)


@pytest.mark.parametrize(
    ("name", "content", "says", "flags"),
    [
        bad("F05", "notes.txt", b"hello", "found text, expected an image"),
        bad("F05 svg", "x.svg", b"<svg/>", "expected an image"),
        bad("F06 empty", "0.png", b"", "found an empty file"),
        bad("F06 truncated", "0.png", png_bytes()[:-20], "found a PNG cut off in the chunk at byte 33"),
        bad("F06 CRC", "0.png", png_bytes()[:40] + b"\xff" + png_bytes()[41:], "found"),
        bad(
            "F08",
            "0.png",
            png_bytes(Image.new("L", (9000, 9000))),
            "found 9,000 x 9,000 pixels, expected at most 4,096",
        ),
        bad("F11", "0.png", b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS.*expected an image: PNG, JPEG, BMP, GIF"),
        bad("F16", "0.png", png_bytes(picture(7, (28, 29))), "found 1x28x29 .*, expected 1x6x5"),
        bad("F17", "new\nline.png", b"broken", r"new\\nline\.png: found"),
    ],
)
def test_the_command_says_the_same_and_writes_nothing(
    name: str, content: bytes, says: str, flags: tuple[str, ...], digits: Path, forked: Callable[..., Any]
) -> None:
    (digits / "1" / name).write_bytes(content)
    refused_by_the_command(forked("data", "check", digits, *flags), 3, says)


def nothing(root: Path) -> None:
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def one_class(root: Path) -> None:
    nothing(root / "1")
    (root / "1").rmdir()


def empty_class(root: Path) -> None:
    (root / "2").mkdir()


def loop(root: Path) -> None:
    (root / "1" / "again").symlink_to(root, target_is_directory=True)


def way_out(root: Path) -> None:
    (root / "1" / "out.png").symlink_to(root.parent / "outside.png")
    (root.parent / "outside.png").write_bytes(png_bytes())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(nothing, "found no class folders", id="F01 empty"),
        pytest.param(one_class, r"one class folder \(0\), expected .* at least two classes", id="F01 one class"),
        pytest.param(empty_class, "2: found a class folder without images", id="F02"),
        pytest.param(loop, "found a link to a folder above it: a loop", id="F19 loop"),
        pytest.param(way_out, "found a link that leads out .*--follow-links", id="F19 out"),
    ],
)
def test_the_command_says_the_same_of_a_folder(
    change: Callable[[Path], None], says: str, digits: Path, forked: Callable[..., Any]
) -> None:
    change(digits)
    refused_by_the_command(forked("data", "check", digits), 3, says)


def test_f12_of_ten_thousand_frames_the_first_is_taken_at_once(digits: Path) -> None:
    frames = [Image.new("L", (5, 6), level) for level in (3, 200)] * 5000
    frames[0].save(digits / "1" / "0.gif", save_all=True, append_images=frames[1:])
    began = time.process_time()
    data = load(digits)
    assert time.process_time() - began < 1
    assert (data.images[data.ids.tolist().index("1/0.gif")] == 3).all()


def refused_by_the_command(done: Any, code: int, says: str) -> None:
    assert done.code == code, done.stderr
    assert re.search("^error: .*" + says, done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr
    assert done.changed == []
