"""The README's pictures, made from a real run: terminal, report, page about the data, page to draw on.

    python docs/screenshots.py [terminal report explore drawing] [--data SOURCE] [--set KEY=VALUE ...]

Without names all four are made. ``terminal`` and ``report`` train the default recipe; ``explore`` makes a t-SNE map,
which takes
a minute or two; ``drawing`` draws a digit with the mouse. Needs Chromium. Look at what it made before it is committed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT / "tests"))

from _chrome import Chrome  # noqa: E402  the tests' own browser
from _strokes import DIGITS  # noqa: E402

WIDTH, COLOURS = 960, 64
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #15191e; color: #d7dce2; }
b { color: #8fd3a8; }
pre { margin: 0; padding: 1.2em 1.4em; font: 13px/1.45 "DejaVu Sans Mono", monospace; white-space: pre-wrap; }
</style>
<pre><b>$ tenfold %s</b>\n%s</pre>"""


def tenfold(folder: Path, *arguments: str) -> str:
    """What the command leaves on a terminal: both streams, without the progress that is written over."""
    command = [sys.executable, "-m", "tenfold", *arguments]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return "".join(line for line in done.stdout.splitlines(keepends=True) if not re.search(r" \d+% .* images/s ", line))


def shoot(page: Path, name: str, height: int, *, draw: str | None = None) -> None:
    """Save the page's first ``height`` pixels as a small picture; ``draw`` is a digit to be drawn on it before."""
    with tempfile.TemporaryDirectory() as profile, Chrome(Path(profile), width=WIDTH, height=height) as chrome:
        chrome.open(page.as_uri())
        for stroke in DIGITS[draw] if draw else []:
            chrome.stroke(stroke)
        if draw:
            chrome.wait("document.body.innerText.includes('%')")
            chrome.run("new Promise((done) => setTimeout(done, 5000))")  # where it looks takes longer
        if chrome.run("Boolean(document.getElementById('map-wait'))"):
            chrome.wait("document.getElementById('map-wait').hidden", 60)
        raw = Path(profile) / "page.png"
        chrome.picture(raw)
        with Image.open(raw) as picture:
            top = picture.convert("RGB").crop((0, 0, WIDTH, min(height, picture.height)))
    top.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)
    print(IMAGES / f"{name}.png", f"{(IMAGES / f'{name}.png').stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=["terminal", "report", "explore", "drawing"])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if {"terminal", "report"} & set(chosen.names):
            sources = [] if chosen.data == "mnist" else ["--train", chosen.data]
            command = ["run", "quick", *sources, *(word for item in chosen.overrides for word in ("--set", item))]
            printed = tenfold(folder, *command)
            page, report = folder / "terminal.html", next((folder / "runs").glob("*/report.html"))
            page.write_text(TERMINAL % (escape(" ".join(command)), escape(printed)), "utf-8")
            if "terminal" in chosen.names:
                shoot(page, "terminal", 19 * (printed.count("\n") + 1) + 40)
            if "report" in chosen.names:
                shoot(report, "report", 1125)
        if "explore" in chosen.names:
            tenfold(folder, "explore", chosen.data)
            shoot(folder / "explore.html", "explore", 975)
        if "drawing" in chosen.names:
            tenfold(folder, "page", "--out", "demo.html")
            shoot(folder / "demo.html", "drawing", 760, draw="3")


if __name__ == "__main__":
    main()
