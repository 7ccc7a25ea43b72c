"""``tenfold augment``: a grid of variants of one image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from _command_line import tenfold

RECIPE = '[model]\nlayers = "FLAT SOFTMAX"\n[[augment]]\nkind = "affine"\nshift = 2\n'


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[10:18, 12:16] = 255
    Image.fromarray(pixels).save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


def cells(path: Path, rows: int, columns: int, side: int) -> np.ndarray:
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == (rows * side, columns * side)
    return pixels.reshape(rows, side, columns, side).transpose(0, 2, 1, 3).reshape(-1, side, side)


def test_fifty_different_variants_in_five_rows_of_ten(recipe: Path, picture: Path, tmp_path: Path) -> None:
    done = tenfold("augment", picture, "--recipe", recipe, "--out", tmp_path / "grid.png")
    assert (done.code, done.out) == (0, f"50 variants in {tmp_path / 'grid.png'}\n")
    found = cells(tmp_path / "grid.png", 5, 10, 56)
    assert len({cell.tobytes() for cell in found}) == 50
    ink = found.reshape(50, -1).mean(1) * 784 / 255
    assert np.allclose(ink, 32, rtol=0.02)  # shifting moves the 8 x 4 pixels of ink about and loses none


def test_the_seed_decides_the_draws(recipe: Path, picture: Path, tmp_path: Path) -> None:
    made = []
    for seed in ("1", "1", "2"):
        tenfold(
            "augment",
            picture,
            "--recipe",
            recipe,
            "--count",
            "4",
            "--seed",
            seed,
            "--out",
            tmp_path / "g.png",
            "--force",
        )
        made.append((tmp_path / "g.png").read_bytes())
    assert made[0] == made[1] != made[2]


def test_an_image_is_found_in_the_source_by_its_id(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path))
    images = np.zeros((4, 70, 90, 3), np.uint8)
    images[2, 30:40, 30:40] = 255, 0, 0
    np.savez(tmp_path / "set.npz", images=images, labels=np.array([0, 1, 0, 1]))
    ask = ("--recipe", recipe, "--source", tmp_path / "set.npz", "--count", "3", "--out", tmp_path / "grid.png")
    assert tenfold("augment", "3", *ask).code == 0
    pixels = np.asarray(Image.open(tmp_path / "grid.png"))
    assert pixels.shape == (50, 3 * 64, 3)
    assert pixels[..., 0].any()
    assert not pixels[..., 1:].any()
    done = tenfold("augment", "7", *ask, "--force")
    assert done.code == 2
    assert "7 is neither an image file nor an id" in done.err
    assert "4 images with ids such as 1 and 4" in done.err


def test_nothing_is_overwritten_unasked(recipe: Path, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    out.write_text("mine")
    done = tenfold("augment", picture, "--recipe", recipe, "--out", out)
    assert done.code == 2
    assert out.read_text() == "mine"


def test_a_recipe_without_augmentation_is_a_usage_error(recipe: Path, picture: Path, tmp_path: Path) -> None:
    done = tenfold("augment", picture, "--recipe", recipe, "--set", "augment=[]", "--out", tmp_path / "grid.png")
    assert done.code == 2
    assert "does not augment" in done.err


def test_a_file_that_is_no_image_is_a_data_error(recipe: Path, tmp_path: Path) -> None:
    assert tenfold("augment", recipe, "--recipe", recipe, "--out", tmp_path / "grid.png").code == 3
