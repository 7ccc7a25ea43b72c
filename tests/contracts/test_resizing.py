"""Images of any size are brought to one, alike wherever they come from, and the model remembers it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import tenfold
from _command_line import tenfold as command
from _digits import digits
from tenfold.data import ReadOptions
from tenfold.data.images import brought_to
from tenfold.errors import DataError, UsageError
from tenfold.service.bodies import Item
from tenfold.service.work import Model

SMALL = digits().images[:60]
LABELS = digits().labels[:60]
LARGE = np.stack([brought_to(image, (28, 28)) for image in SMALL])


def table(folder: Path) -> Path:
    names = ",".join(["label", *(f"pixel{i}" for i in range(64))])
    np.savetxt(folder / "a.csv", np.column_stack([LABELS, SMALL.reshape(60, -1)]), "%d", ",", header=names, comments="")
    return folder / "a.csv"


def npz(folder: Path) -> Path:
    np.savez(folder / "a.npz", images=SMALL, labels=LABELS)
    return folder / "a.npz"


def idx(folder: Path) -> Path:
    for name, values in (("train-images-idx3-ubyte", SMALL[:, 0]), ("train-labels-idx1-ubyte", LABELS)):
        sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
        (folder / name).write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes())
    return folder


def png(image: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image[0]).save(stream, "PNG")
    return stream.getvalue()


def class_folders(folder: Path) -> Path:
    for number, (image, label) in enumerate(zip(SMALL, LABELS, strict=True)):
        (folder / "f" / str(label)).mkdir(parents=True, exist_ok=True)
        (folder / "f" / str(label) / f"{number:02d}.png").write_bytes(png(image))
    return folder / "f"


def archive(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        for number, (image, label) in enumerate(zip(SMALL, LABELS, strict=True)):
            made.writestr(f"digits/{label}/{number:02d}.png", png(image))
            made.writestr(f"__MACOSX/digits/{label}/._{number:02d}.png", b"no image")
    return folder / "a.zip"


def parquet_of(folder: Path, columns: dict[str, Any]) -> Path:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"


SOURCES: dict[str, Callable[[Path], Any]] = {
    "csv": table,
    "npz": npz,
    "idx": idx,
    "folder": class_folders,
    "zip": archive,
    "parquet of pixels": lambda folder: parquet_of(
        folder, {"label": LABELS, **{f"pixel{i}": SMALL.reshape(60, -1)[:, i] for i in range(64)}}
    ),
    "parquet of images": lambda folder: parquet_of(folder, {"label": LABELS, "image": [png(i) for i in SMALL]}),
    "url": lambda folder: (folder / npz(folder).name).as_uri(),
    "arrays": lambda folder: (SMALL, LABELS),
    "channels last": lambda folder: (np.moveaxis(SMALL, 1, 3), LABELS),
    "pictures": lambda folder: ([Image.fromarray(image[0]) for image in SMALL], LABELS),
    "dataset": lambda folder: tenfold.Dataset(SMALL, LABELS, np.arange(60), tuple("0123456789")),
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_images(name: str, tmp_path: Path) -> None:
    data = tenfold.load(SOURCES[name](tmp_path), "train", ReadOptions(resize=(28, 28)))
    order = np.argsort(LABELS, kind="stable") if name in ("folder", "zip") else np.arange(60)
    assert data.labels is not None
    np.testing.assert_array_equal(data.labels, LABELS[order])
    np.testing.assert_array_equal(data.images, LARGE[order])


@pytest.mark.parametrize("name", SOURCES)
def test_without_the_option_nothing_is_resized(name: str, tmp_path: Path) -> None:
    assert tenfold.load(SOURCES[name](tmp_path), "train").image_shape == (1, 8, 8)


def mixed() -> list[NDArray[np.uint8]]:
    """A bright disc in pictures of different sizes and sides."""
    made = []
    for height, width in ((20, 20), (40, 40), (20, 60), (61, 33)):
        y, x = np.mgrid[:height, :width]
        disc = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 3) ** 2
        made.append(np.where(disc, 255, 0).astype(np.uint8)[None])
    return made


def mixed_folder(folder: Path) -> Path:
    for label, image in enumerate(mixed()):
        (folder / "m" / str(label)).mkdir(parents=True)
        (folder / "m" / str(label) / "a.png").write_bytes(png(image))
    return folder / "m"


def mixed_archive(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "m.zip", "w") as made:
        for label, image in enumerate(mixed()):
            made.writestr(f"{label}/a.png", png(image))
    return folder / "m.zip"


MIXED: dict[str, Callable[[Path], Any]] = {
    "folder": mixed_folder,
    "zip": mixed_archive,
    "parquet": lambda folder: parquet_of(folder, {"label": range(4), "image": [png(i) for i in mixed()]}),
    "pictures": lambda folder: ([Image.fromarray(image[0]) for image in mixed()], range(4)),
}


@pytest.mark.parametrize("name", MIXED)
def test_pictures_of_mixed_sizes_ask_for_the_option_and_are_read_with_it(name: str, tmp_path: Path) -> None:
    source = MIXED[name](tmp_path)
    with pytest.raises(DataError, match="resize"):
        tenfold.load(source, "train")
    stretched = tenfold.load(source, "train", ReadOptions(resize=(24, 24)))
    assert stretched.image_shape == (1, 24, 24)
    even = tenfold.load(source, "train", ReadOptions(resize=(24, 24), keep_aspect=True)).images[:, 0] > 127
    for disc in even:  # as high as wide, whatever the picture was
        rows, columns = np.flatnonzero(disc.any(axis=1)), np.flatnonzero(disc.any(axis=0))
        assert abs(np.ptp(rows) - np.ptp(columns)) <= 1
    wide = stretched.images[2, 0] > 127
    assert np.ptp(np.flatnonzero(wide.any(axis=0))) < 0.6 * np.ptp(np.flatnonzero(wide.any(axis=1)))


def test_thin_lines_do_not_fall_between_pixels() -> None:
    lines = np.zeros((1, 200, 200), np.uint8)
    lines[0, :, ::10] = 255
    small = brought_to(lines, (20, 20))
    assert abs(float(small.mean()) - float(lines.mean())) < 3


def test_the_ground_is_carried_on() -> None:
    paper = np.full((1, 10, 30), 240, np.uint8)
    assert (brought_to(paper, (28, 28), keep_aspect=True) == 240).all()


def test_colours_are_converted_where_the_option_says_so() -> None:
    grey, colour = np.full((1, 4, 4), 90, np.uint8), np.full((3, 4, 4), 90, np.uint8)
    assert brought_to(grey, (3, 8, 8)).shape == brought_to(colour, (8, 8)).shape == (3, 8, 8)
    np.testing.assert_allclose(brought_to(colour, (1, 8, 8)), brought_to(grey, (8, 8)), atol=1)


@pytest.mark.parametrize("text", ["28", "0x28", "28x5000", "x", "1x2x3x4"])
def test_sizes_that_cannot_be_meant_are_refused(text: str, tmp_path: Path) -> None:
    done = command("data", "check", npz(tmp_path), "--resize", text)
    assert (done.code, "--resize" in done.err) == (2, True)


def test_keeping_the_aspect_needs_a_size() -> None:
    with pytest.raises(UsageError, match="--resize"):
        ReadOptions(keep_aspect=True)


def test_a_model_resizes_what_it_is_shown_as_its_training_images_were(tmp_path: Path) -> None:
    source, out = mixed_folder(tmp_path), tmp_path / "runs"
    for label in range(4):  # enough to train on
        for n in range(5):
            picture = np.roll(mixed()[label], n, axis=2)
            (source / str(label) / f"{n}.png").write_bytes(png(picture))
    options = ReadOptions(resize=(16, 16), keep_aspect=True)
    overrides = ["model.kind=linear", "data.validation=0.2"]
    run = tenfold.train("linear", train=source, out=out, options=options, overrides=overrides, progress=False)
    assert run.read_json("bundle/manifest.json")["resize"] == "keep aspect"
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as made:
        for path in sorted(source.rglob("*.png")):
            made.write(path, path.relative_to(source))
    files = [source / str(label) / "3.png" for label in range(4)]
    whole = tenfold.predict(run, source).predictions[0]
    zipped = tenfold.predict(run, tmp_path / "m.zip").predictions[0]
    single = [tenfold.predict(run, file).predictions[0] for file in files]
    written = tenfold.predict(run, [str(source), str(files[0])], out=tmp_path / "answers.csv")
    places = [list(whole.ids).index(f"{label}/3.png") for label in range(4)]
    np.testing.assert_array_equal(zipped.probabilities, whole.probabilities)
    for one, place in zip(single, places, strict=True):
        np.testing.assert_allclose(one.probabilities[0], whole.probabilities[place], atol=1e-6)
    assert written.rows == len(whole) + 1
    served = Model("shapes", tenfold.Bundle.open(run.path))
    uploads = served.inputs([Item("images", file.read_bytes()) for file in files])
    np.testing.assert_array_equal(uploads, tenfold.load(source, "train", options).take(places).images)
    with pytest.raises(UsageError, match="pass --resize 16x16"):
        tenfold.predict(run, source, options=ReadOptions(resize=(20, 20)))


def test_a_model_that_never_resized_names_the_option(tmp_path: Path) -> None:
    run = tenfold.train(
        "linear",
        train=npz(tmp_path),
        out=tmp_path / "runs",
        overrides=["data.validation=0.2"],
        progress=False,
    )
    assert "resize" not in run.read_json("bundle/manifest.json")
    file = class_folders(tmp_path) / "0"
    large = tmp_path / "large.png"
    large.write_bytes(png(LARGE[0]))
    with pytest.raises(DataError, match="pass --resize 8x8"):
        tenfold.predict(run, large)
    assert tenfold.predict(run, large, options=ReadOptions(resize=(8, 8))).rows == 1
    assert tenfold.predict(run, file).rows > 1


HOSTILE = {
    "leads out": lambda made: made.writestr("../../x.png", png(SMALL[0])),
    "absolute": lambda made: made.writestr("/x.png", png(SMALL[0])),
    "backslash": lambda made: made.writestr("a\\..\\x.png", png(SMALL[0])),
    "deep": lambda made: made.writestr("/".join("a" * 40) + "/x.png", png(SMALL[0])),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_with_names_that_lead_out_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        HOSTILE[kind](made)
        made.writestr("b/y.png", png(SMALL[1]))
    with pytest.raises(DataError, match=r"a\.zip"):
        tenfold.load(path, "train")
    assert sorted(tmp_path.iterdir()) == [path]


def test_an_archive_is_unpacked_within_the_limit_and_faults_name_the_file_inside(tmp_path: Path) -> None:
    path = archive(tmp_path)
    with pytest.raises(DataError, match="--max-input-bytes"):
        tenfold.load(path, "train", ReadOptions(max_input_bytes=2000))
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("digits/0/broken.png", png(SMALL[0])[:50])
    with pytest.raises(DataError, match=r"a\.zip/0/broken\.png"):
        tenfold.load(path, "train")
