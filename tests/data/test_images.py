import io
import struct
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from tenfold.data.images import DEFAULT_LIMITS, ImageLimits, decode_image, png_ending
from tenfold.errors import DataError

EVERYTHING = ImageLimits(formats=("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"))
GREY = np.random.default_rng(0).integers(0, 256, (12, 10), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def encode(image: Image.Image, format_name: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, format_name, **options)
    return content.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_size(width: int, height: int) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("format_name", ["PNG", "BMP", "GIF"])
def test_grey_pixels_come_back_as_they_were(format_name: str) -> None:
    found = decode_image(encode(Image.fromarray(GREY), format_name), "x")
    np.testing.assert_array_equal(found, GREY[None])
    assert found.flags.writeable  # the caller's own


def test_f06_a_file_cut_anywhere_is_refused_or_complete() -> None:
    for format_name in ("PNG", "JPEG", "BMP", "GIF"):
        content = encode(Image.fromarray(GREY), format_name)
        whole = decode_image(content, "x")
        for length in range(len(content)):
            try:
                pixels = decode_image(content[:length], "x")
            except DataError:
                continue
            np.testing.assert_array_equal(pixels, whole)


def test_f06_every_single_bit_flip_in_a_png_is_found() -> None:
    content = encode(Image.fromarray(GREY), "PNG")
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DataError, match=r"^x: found"):
            decode_image(bytes(flipped), "x")


def test_f06_an_empty_file_is_named() -> None:
    with pytest.raises(DataError, match=r"digits/7\.png: found an empty file"):
        decode_image(b"", "digits/7.png")


def test_f07_png_with_trailing_bytes_or_without_its_end_is_read_and_noted() -> None:
    content = encode(Image.fromarray(GREY), "PNG")
    assert png_ending(content, "x") is None
    for odd, note in ((content + b"junk!", "5 bytes after the end"), (content[:-12], "without its closing IEND")):
        np.testing.assert_array_equal(decode_image(odd, "x"), GREY[None])
        assert note in (png_ending(odd, "x") or "")
        with pytest.raises(DataError, match=note):
            decode_image(odd, "x", replace(DEFAULT_LIMITS, strict_png=True))


@pytest.mark.parametrize("side", [9_000, 13_000, 20_000, 4_097])
def test_f08_f09_large_pictures_are_refused_from_the_header_with_one_message(side: int) -> None:
    content = png_of_size(side, side)
    tracemalloc.start()
    with pytest.raises(DataError, match=rf"found {side:,} x {side:,} pixels, expected at most 4,096 x 4,096"):
        decode_image(content, "x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20


def test_f10_compressed_text_bombs_are_refused() -> None:
    bomb = PngImagePlugin.PngInfo()
    bomb.add_text("comment", "a" * 50_000_000, zip=True)
    many = PngImagePlugin.PngInfo()
    for number in range(70):
        many.add_text(f"comment {number}", "a" * 1_000_000, zip=True)
    for text in (bomb, many):
        with pytest.raises(DataError, match="cannot be decoded"):
            decode_image(encode(Image.fromarray(GREY), "PNG", pnginfo=text), "x")


@pytest.mark.parametrize("format_name", ["EPS", "PDF", "TIFF", "ICO", "WEBP"])
def test_f11_formats_off_the_list_are_refused_whatever_their_name(format_name: str) -> None:
    image = Image.fromarray(COLOUR).resize((16, 16))
    with pytest.raises(DataError, match=rf"x\.png: found .*{format_name}.*, expected an image: PNG, JPEG, BMP, GIF"):
        decode_image(encode(image, format_name), "x.png")


def test_f11_photoshop_and_text_are_refused() -> None:
    with pytest.raises(DataError, match="PSD"):
        decode_image(b"8BPS\0\1" + bytes(100), "x.png")
    with pytest.raises(DataError, match="found text"):
        decode_image(b"7, seven", "x.png")
    with pytest.raises(DataError, match="HTML"):
        decode_image(b"<!doctype html><p>", "x.png")


@pytest.mark.parametrize("format_name", ["GIF", "PNG"])
def test_f12_of_an_animation_the_first_frame_is_taken(format_name: str) -> None:
    frames = [Image.fromarray(np.full((4, 4), level, np.uint8)) for level in range(0, 250, 10)]
    content = encode(frames[3], format_name, save_all=True, append_images=frames)
    np.testing.assert_array_equal(decode_image(content, "x"), np.full((1, 4, 4), 30))


def test_f13_one_bit() -> None:
    bits = GREY > 127
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(bits), "PNG"), "x")[0], np.where(bits, 255, 0))


def test_f13_sixteen_bits_are_scaled_not_clipped() -> None:
    levels = np.array([[0, 128, 129, 256, 32768, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(
        decode_image(encode(Image.fromarray(levels), "PNG"), "x")[0], [[0, 0, 1, 1, 128, 255]]
    )


def test_f13_thirty_two_bits_and_floats() -> None:
    whole = Image.fromarray(np.array([[0, 257, 65535]], dtype=np.int32))
    np.testing.assert_array_equal(decode_image(encode(whole, "TIFF"), "x", EVERYTHING)[0], [[0, 1, 255]])
    real = Image.fromarray(np.array([[0, 0.5, 1]], dtype=np.float32))
    np.testing.assert_array_equal(decode_image(encode(real, "TIFF"), "x", EVERYTHING)[0], [[0, 128, 255]])
    for bad in (-0.1, 1.1, np.nan):
        content = encode(Image.fromarray(np.array([[bad]], dtype=np.float32)), "TIFF")
        with pytest.raises(DataError, match=r"grey levels outside 0\.\.1"):
            decode_image(content, "x", EVERYTHING)


@pytest.mark.parametrize("background", [0, 255, 40])
def test_f13_alpha_is_composed_on_the_declared_background(background: int) -> None:
    limits = replace(DEFAULT_LIMITS, background=background)
    grey = np.array([[[100, 0], [100, 255], [100, 51]]], dtype=np.uint8)
    expected = [background, 100, round((100 * 51 + background * 204) / 255)]
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(grey, "LA"), "PNG"), "x", limits)[0, 0], expected)
    colour = np.concatenate([grey[..., :1]] * 3 + [grey[..., 1:]], axis=2)
    pixels = decode_image(encode(Image.fromarray(colour), "PNG"), "x", limits)
    assert pixels.shape == (3, 1, 3)
    np.testing.assert_array_equal(pixels[1, 0], expected)


def test_f13_a_transparent_colour_counts_as_alpha() -> None:
    limits = replace(DEFAULT_LIMITS, background=7)
    content = encode(Image.fromarray(np.array([[0, 200]], np.uint8)), "PNG", transparency=200)
    np.testing.assert_array_equal(decode_image(content, "x", limits)[0, 0], [0, 7])
    content = encode(Image.fromarray(np.array([[0, 51400]], np.uint16)), "PNG", transparency=51400)
    np.testing.assert_array_equal(decode_image(content, "x", limits)[0, 0], [0, 7])


def test_f13_a_palette_is_looked_up_and_grey_if_all_its_colours_in_use_are() -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 50, 50, 50])
    np.testing.assert_array_equal(decode_image(encode(image, "PNG"), "x")[:, 0], [[10, 50], [20, 50], [30, 50]])
    image.putpalette([10, 10, 10, 50, 50, 50])
    np.testing.assert_array_equal(decode_image(encode(image, "PNG"), "x")[:, 0], [[10, 50]])


def test_f13_cmyk_becomes_rgb() -> None:
    ink = Image.fromarray(np.full((8, 8, 4), (255, 0, 0, 0), np.uint8), "CMYK")
    pixels = decode_image(encode(ink, "JPEG", quality=100), "x")
    assert pixels.shape == (3, 8, 8)
    np.testing.assert_allclose(pixels[:, 4, 4], [0, 255, 255], atol=2)


def test_channels_convert_by_601_and_by_repetition() -> None:
    content = encode(Image.fromarray(COLOUR), "PNG")
    np.testing.assert_array_equal(decode_image(content, "x")[1], COLOUR[..., 1])
    np.testing.assert_array_equal(
        decode_image(content, "x", channels=1)[0], np.asarray(Image.fromarray(COLOUR).convert("L"))
    )
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(GREY), "PNG"), "x", channels=3), [GREY] * 3)


def test_f14_exif_orientation_is_applied() -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encode(Image.fromarray(GREY), "PNG", exif=exif)
        with Image.open(io.BytesIO(content)) as image:
            upright = np.asarray(ImageOps.exif_transpose(image))
        pixels = decode_image(content, "x")
        np.testing.assert_array_equal(pixels[0], upright)
        assert pixels.shape == ((1, 10, 12) if orientation >= 5 else (1, 12, 10))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4096, 1), (28, 29)])
def test_f16_odd_sizes_are_read(height: int, width: int) -> None:
    image = Image.fromarray(np.zeros((height, width), np.uint8))
    assert decode_image(encode(image, "PNG"), "x").shape == (1, height, width)


def test_f16_a_strip_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(DataError, match="10,000 x 1 pixels"):
        decode_image(encode(Image.fromarray(np.zeros((1, 10_000), np.uint8)), "PNG"), "x")


SEEDS = [encode(Image.fromarray(pixels), name) for pixels in (GREY, COLOUR) for name in ("PNG", "JPEG", "BMP", "GIF")]


@given(st.sampled_from(SEEDS), st.data())
def test_damaged_bytes_give_an_array_or_a_data_error(content: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(content)))
    damaged = content[:start] + data.draw(st.binary(max_size=20)) + content[start + data.draw(st.integers(0, 20)) :]
    try:
        pixels = decode_image(damaged, "x")
    except DataError as error:
        assert str(error).startswith("x: found ")
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
