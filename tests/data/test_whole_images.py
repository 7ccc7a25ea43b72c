"""F06: an image is whole or refused, in every colour mode of every format; and 1 MB of anything is quick to refuse."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import resource
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.data import ReadOptions
from tenfold.data.images import decode_image
from tenfold.data.load import load
from tenfold.errors import DataError

PIXELS = np.random.default_rng(3).integers(0, 256, (28, 28), dtype=np.uint8)
DEPTHS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 8), (4, 8), (4, 16), (6, 8), (6, 16)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(kind: int, depth: int, interlaced: bool, lost: int, palette: bool = True) -> bytes:
    """A PNG of 28 x 28 pixels, all checksums right, ``lost`` bytes short."""
    bits, size = depth * CHANNELS[kind], 28
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    raw = b"".join(
        (b"\0" + bytes((math.ceil((size - x) / across) * bits + 7) // 8)) * math.ceil((size - y) / down)
        for x, y, across, down in passes
    )
    header = struct.pack(">2I5B", size, size, depth, kind, 0, 0, int(interlaced))
    plte = chunk(b"PLTE", bytes(6)) if kind == 3 and palette else b""
    data = chunk(b"IDAT", zlib.compress(raw[: len(raw) - lost]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + plte + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("kind", "depth"), DEPTHS)
def test_f06_a_png_whose_data_ends_early_with_valid_checksums(kind: int, depth: int, interlaced: bool) -> None:
    assert decode_image(png(kind, depth, interlaced, 0), "x").shape[1:] == (28, 28)
    for lost in (1, 40, 60):
        with pytest.raises(DataError, match=r"^x: found a PNG"):
            decode_image(png(kind, depth, interlaced, lost), "x")


def test_f06_a_palette_image_without_its_palette() -> None:
    with pytest.raises(DataError, match="palette"):
        decode_image(png(3, 8, False, 0, palette=False), "x")
    picture = io.BytesIO()
    paper = Image.fromarray((PIXELS > 127).astype(np.uint8))
    paper.putpalette([255, 255, 255, 0, 0, 0])
    paper.save(picture, "GIF")
    content = bytearray(picture.getvalue())
    assert decode_image(bytes(content), "x").shape == (1, 28, 28)
    size = 3 * (2 << (content[10] & 7))
    content[10] &= 0x7F
    with pytest.raises(DataError, match="palette"):
        decode_image(bytes(content[:13] + content[13 + size :]), "x")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_f06_a_jpeg_cut_off_but_ended(options: dict[str, object], colours: int, subsampling: int) -> None:
    picture = io.BytesIO()
    pixels = PIXELS if colours == 1 else np.stack([PIXELS, PIXELS.T, 255 - PIXELS], axis=-1)
    Image.fromarray(pixels).save(picture, "JPEG", quality=90, subsampling=subsampling, **options)
    content = picture.getvalue()
    assert decode_image(content, "x").shape == (colours, 28, 28)
    first = content.index(b"\xff\xda") + 12
    for end in (*range(first, len(content) - 6, 37), len(content) - 8):
        with pytest.raises(DataError, match=r"^x: found a JPEG"):
            decode_image(content[:end].rstrip(b"\xff") + b"\xff\xd9", "x")


def test_f06_hundreds_of_empty_scans_are_refused_before_decoding() -> None:
    picture = io.BytesIO()
    Image.new("L", (2048, 2048)).save(picture, "JPEG", progressive=True)
    content = picture.getvalue()
    scan = content.rindex(b"\xff\xda")
    bomb = content[:-2] + content[scan:-2] * 2000 + content[-2:]
    begun = time.process_time()
    with pytest.raises(DataError, match="scans"):
        decode_image(bomb, "x")
    assert time.process_time() - begun < 1


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("name", ["train.csv", "images.npy"])
def test_c36_c43_whatever_packs_them_members_are_unpacked_in_pieces(tmp_path: Path, method: int, name: str) -> None:
    path = tmp_path / ("bomb.zip" if name.endswith("csv") else "bomb.npz")
    head = b"label,pixel0\n1,1\n"
    if name.endswith("npy"):
        array = io.BytesIO()
        np.lib.format.write_array_header_1_0(array, {"descr": "|u1", "fortran_order": False, "shape": (400, 1000, 500)})
        head = array.getvalue()
    with zipfile.ZipFile(path, "w", method) as archive, archive.open(name, "w", force_zip64=True) as member:
        member.write(head)
        for _ in range(200):
            member.write(bytes(1_000_000))
    before, begun = _peak(), time.process_time()
    with pytest.raises(DataError):
        load(path, options=ReadOptions(max_input_bytes=5_000_000), cache=False)
    assert _peak() - before < 100_000_000
    with pytest.raises(DataError):
        load(path, cache=False)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_members_of_every_method_are_read(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("train.csv", "label,pixel0\n" + "1,2\n0,1\n" * 50_000)
    assert load(tmp_path / "a.zip", cache=False).images[:, 0, 0, 0].tolist() == [2, 1] * 50_000


def test_c36_zeros_and_long_names_cost_no_time(tmp_path: Path) -> None:
    table = b"label,pixel0\n" + b"1,2\n0,1\n" * 10
    packed = gzip.compress(table)
    (tmp_path / "zeros.csv.gz").write_bytes(packed + bytes(10_000_000) + packed)
    named = packed[:3] + b"\x08" + packed[4:10] + b"n" * 5_000_000 + b"\0" + packed[10:]
    (tmp_path / "name.csv.gz").write_bytes(named)
    begun = time.process_time()
    assert len(load(tmp_path / "name.csv.gz", cache=False)) == 20
    with pytest.raises(DataError, match="label"):
        load(tmp_path / "zeros.csv.gz", cache=False)  # the second table's header is no row
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_other_packings_are_named_with_what_unpacks_them(tmp_path: Path, pack: object) -> None:
    (tmp_path / "a.csv").write_bytes(pack(b"label,pixel0\n1,2\n"))  # type: ignore[operator]
    with pytest.raises(DataError, match="unpack it with"):
        load(tmp_path / "a.csv")
