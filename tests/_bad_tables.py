"""Tables that must be refused, case by case, and what the message must say. Lines and columns count from 1."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from pathlib import Path

from tenfold.data import ReadOptions, Role

HEAD = b"label,pixel0,pixel1,pixel2,pixel3\n"
ROWS = [[3, 0, 255, 12, 1], [0, 7, 0, 0, 200], [9, 1, 2, 3, 4], [3, 100, 99, 9, 10]]
BODY = b"".join(b",".join(b"%d" % value for value in row) + b"\n" for row in ROWS)
GOOD = HEAD + BODY


def header(pixels: int) -> bytes:
    return b"label," + b",".join(b"pixel%d" % n for n in range(pixels)) + b"\n"


def wide(*rows: bytes) -> bytes:
    """A table of 28x28 images with these rows."""
    return header(784) + b"".join(row + b"\n" for row in rows)


def with_row(row: int, text: bytes) -> bytes:
    """The good table with line ``row`` replaced."""
    lines = GOOD.split(b"\n")
    lines[row - 1] = text
    return b"\n".join(lines)


def with_cell(text: bytes) -> bytes:
    """The good table with line 3, column 4 replaced."""
    return with_row(3, b"0,7,0,%s,200" % text)


@dataclass(frozen=True)
class Bad:
    """A table that must be refused: what it holds and what the message must say after ``FILE``."""

    case: str
    content: bytes
    says: str
    role: Role = "train"
    options: ReadOptions = field(default_factory=ReadOptions)
    name: str = "train.csv"

    def pattern(self, path: Path) -> str:
        return re.escape(str(path)) + ("" if self.says.startswith(":") else ": .*") + self.says

    def flags(self) -> list[str]:
        """The options as the command line takes them."""
        given = self.options
        return [
            *(["--no-header"] if not given.header else []),
            *(["--allow-float-integers"] if given.allow_float_integers else []),
            *([f"--scale={given.scale:g}"] if given.scale is not None else []),
            *(["--shape=" + "x".join(map(str, given.shape))] if given.shape else []),
            *(
                [f"--max-input-bytes={given.max_input_bytes}"]
                if given.max_input_bytes != ReadOptions.max_input_bytes
                else []
            ),
        ]


GZIPPED = gzip.compress(GOOD, mtime=0)
ZEROS = b"0," * 783 + b"0"

BAD = [
    Bad("C01", b"", r"found nothing: the file is empty"),
    Bad("C02", HEAD, r"found no data rows"),
    Bad("C02 no newline", HEAD.rstrip(), r"found no data rows"),
    Bad("C02 blank", HEAD + b"\n\n", r"found no data rows"),
    Bad("C03", BODY, r":1: .*line 1 looks like data.*pass --no-header"),
    Bad("C04", wide(b"1," + ZEROS + b",0", b"2," + ZEROS), r":2:786: found 786 fields, expected 785"),
    Bad("C05", wide(b"1," + ZEROS + b",", b"2," + ZEROS + b","), r":2:786: found an empty 786th field"),
    Bad("C06", with_row(4, b"9,1,2,3,4,5"), r":4:6: found 6 fields, expected 5"),
    Bad("C07", wide(b"1," + ZEROS, b"2," + ZEROS[2:], b"3," + ZEROS), r":3: found 784 fields, expected 785"),
    Bad("C08", GOOD[:-9], r":5: .*last line incomplete, expected 5; the file may be truncated"),
    Bad("C08 comma", GOOD[: GOOD.rindex(b",") + 1], r":5: .*last line incomplete"),
    Bad("C10", GOOD.replace(b"\n9,", b"\n\n9,"), r":4: found a blank line"),
    Bad("C10 spaces", GOOD.replace(b"\n9,", b"\n  \n9,"), r":4: found a blank line"),
    Bad("C10 first", HEAD + b"\n" + BODY, r":2: found a blank line"),
    Bad("C10 header", b"\n" + GOOD, r":1: found a blank line"),
    Bad("C11", with_cell(b""), r":3:4\(pixel2\): found an empty cell"),
    Bad("C11 blank", with_cell(b"  "), r":3:4\(pixel2\): found an empty cell"),
    Bad("C11 quoted", with_cell(b'""'), r":3:4\(pixel2\): found '\"\"'"),
    *(
        Bad(f"C12 {text}", with_cell(text.encode()), rf":3:4\(pixel2\): found '{text}'")
        for text in ("NA", "null", "nan", "None", "-")
    ),
    Bad("C13 inf", with_cell(b"inf"), r":3:4\(pixel2\): found 'inf'"),
    Bad("C13 1e400", with_cell(b"1e400"), r":3:4\(pixel2\): found '1e400'"),
    Bad("C13 1e400 float", with_cell(b"1e400"), r":3:4", options=ReadOptions(allow_float_integers=True)),
    Bad("C13 1e400 scale", with_cell(b"1e400"), r":3:4", options=ReadOptions(scale=255)),
    *(
        Bad(f"C14 {text}", with_cell(text.encode()), rf":3:4\(pixel2\): found '{text}', .*pixel must be 0..255")
        for text in ("256", "300", "999", "1000", "99999999999999999999")
    ),
    Bad("C15", with_cell(b"-1"), r":3:4\(pixel2\): found '-1', .*pixel must be 0..255"),
    Bad("C16 0.5", with_cell(b"0.5"), r":3:4\(pixel2\): found '0.5', expected a whole number"),
    Bad("C16 0.5 float", with_cell(b"0.5"), r":3:4\(pixel2\): found '0.5'", options=ReadOptions(allow_float_integers=True)),
    Bad("C16 12.0", with_cell(b"12.0"), r":3:4\(pixel2\): found '12.0'.*--allow-float-integers"),
    Bad("C16 1e2", with_cell(b"1e2"), r":3:4\(pixel2\): found '1e2'.*--allow-float-integers"),
    Bad("C17", HEAD + b"1,0.0,0.5,1.0,0.25\n2,0,0,1,0.1\n", r":2:2\(pixel0\): .*looks scaled to 0..1; use --scale 1"),
    *(
        Bad(f"C18 {text}", with_cell(text.encode()), r":3:4\(pixel2\): found '")
        for text in ("1_0", "\u0663", "\uff13", "+5", "0x10", "1 2", "1`0", "5.", "\u00bd")
    ),
    Bad("C19 inside", with_cell(b'" 5"'), r":3:4\(pixel2\): found '\" 5\"'"),
    Bad("C19 doubled", with_cell(b'""5""'), r":3:4\(pixel2\)"),
    Bad("C20", with_cell(b'"5'), r":3:4\(pixel2\): .*a quote opens and is not closed"),
    Bad("C20 over lines", with_row(3, b'0,7,0,0,"200'), r":3:5\(pixel3\): .*a quote opens and is not closed"),
    Bad("C20 comma", with_row(3, b'0,7,0,"0,200"'), r":3:4\(pixel2\): .*a quote opens"),
    Bad("C21", with_cell(b"1" * 131_073), r":3:4\(pixel2\): found a field of 131,073 characters"),
    Bad("C21 huge", with_cell(b"1" * 20_000_000), r":3:4\(pixel2\): found a field of [0-9,]+ characters"),
    Bad("C21 header", b"label," + b"p" * 20_000_000, r":1: found a line of more than"),
    Bad("C22", with_cell(b"0\0"), r":3:4\(pixel2\): found '0\\x00'"),
    Bad("C22 header", b"label,pix\0el0\n", r":1:2: found a NUL byte"),
    Bad("C24 UTF-16", GOOD.decode().encode("utf-16"), r"not UTF-8 \(looks like UTF-16\)"),
    Bad("C24 UTF-16 bare", GOOD.decode().encode("utf-16-le"), r"not UTF-8 \(looks like UTF-16\)"),
    Bad("C24 Latin-1", GOOD.replace(b"label", "étiquette".encode("latin-1")), r":1: .*not UTF-8 \(looks like Latin-1\)"),
    Bad("C24 cell", with_cell("é".encode("latin-1")), r":3:4\(pixel2\): found"),
    Bad("C25 header ;", HEAD.replace(b",", b";") + BODY, r":2"),
    Bad("C25 |", GOOD.replace(b",", b"|"), r":1: found 1 column; looks separated by '\|'"),
    Bad("C25 rows", HEAD + BODY.replace(b",", b";"), r":2: found 1 field, expected 5; it looks separated by ';'"),
    Bad("C26 CR", GOOD.replace(b"\n", b"\r"), r":1: found lines that end in CR only"),
    Bad("C26 CR in a cell", with_cell(b"0\r"), r":3:4\(pixel2\): found '0\\r'"),
    Bad("C27", GOOD.replace(b"pixel2", b"pixel1"), r":1:4\(pixel1\): found 'pixel1' in columns 3 and 4"),
    Bad("C27 spelling", GOOD.replace(b"pixel2", b"pixel01"), r":1:4\(pixel01\): found 'pixel01', the same pixel as column 3"),
    Bad("C28 missing", b"label,pixel0,pixel2,pixel3,pixel4\n" + BODY, r":1: found no column 'pixel1'"),
    Bad("C28 last", b"label,pixel0,pixel1,pixel2\n1,2,3,4\n", r":1:4\(pixel2\): .*is column 'pixel3' missing\?"),
    Bad("C28 first", b"label,pixel1,pixel2,pixel3\n1,2,3,4\n", r":1:4\(pixel3\): .*is column 'pixel0' missing\?"),
    Bad("C28 more", HEAD.rstrip() + b",pixel4\n1,2,3,4,5,6\n", r":1:6\(pixel4\): .*is column 'pixel4' one too many\?"),
    Bad("C28 unknown", GOOD.replace(b"pixel2", b"weight"), r":1:4\(weight\): found a column named 'weight'"),
    Bad("C28 unnamed", HEAD.rstrip() + b",\n" + BODY, r":1:6: found a column without a name"),
    Bad("C28 label only", b"label\n1\n2\n", r":1: found no pixel columns"),
    Bad("C28 submission", b"ImageId,Label\n1,7\n", r":1: found no pixel columns.*tenfold submit --check"),
    Bad("L09 id", HEAD.replace(b",", b",number,", 1) + BODY, r":1:2\(number\): found a column named 'number'"),
    Bad("L09 second label", HEAD.rstrip() + b",label\n" + BODY, r":1:6\(label\): found 'label' in columns 1 and 6"),
    Bad("L09 label as pixel", HEAD.rstrip() + b",pixel4\n" + BODY, r":1:6\(pixel4\): .*is column 'pixel4' one too many"),
    Bad("C28 grid", b"label,1x1,1x2,2x2\n1,2,3,4\n", r":1: found no column '2x1'"),
    Bad("C30", HEAD.replace(b"label,", b"") + b"1,2,3,4\n", r":1: found no column 'label', .*is this the test file\?"),
    *(Bad(f"C31 {text}", with_row(3, text.encode() + b",1,2,3,4"), r":3:1\(label\): found .*label must be 0..9")
      for text in ("10", "11", "-1", "3.5", "", "five", "300")),
    Bad("C31 scaled", with_row(3, b"3.5,1,2,3,4"), r":3:1\(label\)", options=ReadOptions(scale=255)),
    Bad("C31 classes", GOOD, r":4:1\(label\): found '9', .*0..3", options=ReadOptions(class_names=("a", "b", "c", "d"))),
    Bad("C32", HEAD + b"7,1,2,3,4\n7,4,3,2,1\n", r"found only images of class '7', expected labels of at least 2 classes"),
    Bad("C33 783", header(783), r":1:784\(pixel782\): found 783 pixels: give --shape"),
    Bad("C33 3072", header(3072), r":1:3073\(pixel3071\): found 3072 pixels: give --shape.*--shape 3x32x32"),
    Bad("C33 shape", GOOD, r":1:5\(pixel3\): found 4 pixels, expected 6 = 1 x 2 x 3", options=ReadOptions(shape=(1, 2, 3))),
    Bad("C33 no header", b"1,2,3\n", r":1: found 2 pixels: give --shape", options=ReadOptions(header=False)),
    Bad("C35 gzip", GZIPPED, r"it is gzip data; rename to train.csv.gz"),
    Bad("C35 plain", GOOD, r"found data that is not compressed, expected gzip data", name="train.csv.gz"),
    Bad("C36", gzip.compress(bytes(2_000_000)), r"found more than 1,000,000 bytes", name="train.csv.gz",
        options=ReadOptions(max_input_bytes=1_000_000)),
    Bad("C37 truncated", GZIPPED[:-12], "damaged or cut off", name="train.csv.gz"),
    Bad("C37 CRC", GZIPPED[:-8] + bytes([GZIPPED[-8] ^ 1]) + GZIPPED[-7:], "damaged or cut off", name="train.csv.gz"),
    Bad("C37 zip", b"PK\3\4" + bytes(50), r"found a compressed file damaged", name="digits.zip"),
    Bad("C41", b"<!DOCTYPE html>\n<html><head><title>Login</title>", r"it looks like HTML"),
    Bad("C42", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 76775041\n", r"it is a Git LFS pointer"),
    Bad("C43", GOOD, r"found \d+ bytes, expected at most 50 bytes", options=ReadOptions(max_input_bytes=50)),
]  # fmt: skip
