import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.errors import DataError
from tenfold.reading.normalise import from_base64, open_image

GREY = np.random.default_rng(0).integers(0, 256, (12, 10), dtype=np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


PNG = encoded(Image.fromarray(GREY))


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "TIFF"])
def test_every_format_comes_back_as_it_was(form: str) -> None:
    np.testing.assert_array_equal(open_image(encoded(Image.fromarray(GREY), form)), GREY)


def test_webp_and_jpeg_nearly() -> None:
    smooth = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    for form, options in (("WEBP", {"quality": 95}), ("JPEG", {"quality": 95})):
        assert np.abs(open_image(encoded(Image.fromarray(smooth), form, **options)).astype(int) - smooth).max() < 8


def test_every_way_in_leads_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a b.png"
    path.write_bytes(PNG)
    text = base64.b64encode(PNG).decode()
    stdin = io.TextIOWrapper(io.BytesIO(PNG))
    monkeypatch.setattr("sys.stdin", stdin)
    for source in (path, str(path), PNG, GREY, GREY[None], f"data:image/png;base64,{text}", "-"):
        np.testing.assert_array_equal(open_image(source), GREY)
    np.testing.assert_array_equal(from_base64("\n".join(text[i : i + 20] for i in range(0, len(text), 20))), GREY)


def test_colours_become_grey_wherever_the_channels_are() -> None:
    red = np.zeros((5, 4, 3), np.uint8)
    red[..., 0] = 255
    for pixels in (red, red.transpose(2, 0, 1)):
        np.testing.assert_array_equal(open_image(pixels), np.full((5, 4), 76))


@pytest.mark.parametrize("level", [0, 255])
def test_f13_transparent_paper_takes_the_colour_that_ink_stands_out_from(level: int) -> None:
    drawing = np.zeros((20, 20, 4), np.uint8)
    drawing[5:15, 9:11] = (level, level, level, 255)
    grey = open_image(encoded(Image.fromarray(drawing)))
    assert grey[10, 10] == level
    assert grey[0, 0] == 255 - level


def test_f13_sixteen_bits_are_scaled() -> None:
    deep = (GREY.astype(np.uint16) * 257).astype(np.uint16)
    np.testing.assert_array_equal(open_image(encoded(Image.fromarray(deep))), GREY)


def test_f14_turned_photos_are_turned_back() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.rot90(GREY))
    np.testing.assert_array_equal(open_image(encoded(turned, "PNG", exif=exif)), np.rot90(GREY, 4))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "an empty file"),
        (b"%PDF-1.7", "a PDF file"),
        (b"hello", "text"),
        (PNG[:-20], "cut off"),
        (np.full((3, 3), -1.0), "undo the normalisation"),
        (np.full((3, 3), "a"), "pixels, expected numbers"),
        (np.zeros((2, 3, 4, 5), np.uint8), "shape"),
        (np.zeros((0, 3), np.uint8), "shape"),
        ("data:image/png;base64,@@@", "not base64"),
        ("no-such-file.png", "no such file"),
    ],
)
def test_what_is_no_picture_says_so(source: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_image(source)  # type: ignore[arg-type]


def test_f08_f09_large_pictures_are_refused_from_their_header() -> None:
    large = encoded(Image.new("1", (6000, 6000)))
    with pytest.raises(DataError, match="36,000,000 pixels"):
        open_image(large)
