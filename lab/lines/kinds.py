"""Pictures of what people write and photograph, kind by kind, with what is written on them: to measure reading, not to train it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lab.lines import written
from lab.lines.written import DRAWN, Bank, Hand

Picture = NDArray[np.uint8]
Kind = Callable[[Bank, np.random.Generator], tuple[Picture, str]]


def line_ink(
    string: str,
    bank: Bank,
    rng: np.random.Generator,
    gap: tuple[float, float] = (0.05, 0.3),
    pitch: float = 0.0,
    chained: float = 0.0,
) -> NDArray[np.float32]:
    """(H, W) 0..1: ``string`` by one hand, digits about 32 to 44 pixels tall."""
    hand = replace(
        Hand.draw(rng),
        gap=float(rng.uniform(*gap)),
        small=1.0,
        joined=0.0,
        drawn=0.0,
        chained=chained,
        wobble=0.03,
        drift=0.0,
    )
    canvas = written.drawn_line(string, bank, hand, rng, pitch)
    ink, _, _ = written._composed(canvas)
    points = np.zeros((1, 2))
    ink, _ = written._leaning(
        written._penned(ink, hand.weight, rng), points, replace(hand, slant=hand.slant * 0.6), rng
    )
    scale = rng.uniform(0.7, 1.0)
    return np.asarray(
        Image.fromarray(ink).resize(
            (round(ink.shape[1] * scale), round(ink.shape[0] * scale)), Image.Resampling.BILINEAR
        )
    )


def on_page(ink: NDArray[np.float32], rng: np.random.Generator, room: float = 1.0) -> Picture:
    """Dark ink on a light page with white around, by a camera."""
    top, bottom, left, right = (int(ink.shape[0] * room * rng.uniform(0.3, 1.2)) for _ in range(4))
    page = np.pad(ink, ((top, bottom), (2 * left, 2 * right)))
    level = rng.uniform(215, 248)
    picture = level * (1 - 0.85 * page) + rng.normal(0, rng.uniform(0.5, 3), page.shape)
    return as_jpeg(picture.clip(0, 255).astype(np.uint8), rng)


def as_jpeg(picture: Picture, rng: np.random.Generator) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=int(rng.integers(60, 92)))
    return np.asarray(Image.open(stream))


def number(rng: np.random.Generator, least: int = 4, most: int = 7) -> str:
    """Digits that mean nothing else upside down."""
    while True:
        found = written._number(rng, least, most)
        if set(found) & set("23457"):
            return found


def plain(make: Callable[[np.random.Generator], str], **options: object) -> Kind:
    """Lines of text that ``make`` draws."""

    def kind(bank: Bank, rng: np.random.Generator) -> tuple[Picture, str]:
        string = make(rng)
        return on_page(line_ink(string, bank, rng, **options), rng), string.replace(" ", "")  # type: ignore[arg-type]

    return kind


def turned(quarters: int) -> Kind:
    def kind(bank: Bank, rng: np.random.Generator) -> tuple[Picture, str]:
        string = number(rng)
        return np.ascontiguousarray(np.rot90(on_page(line_ink(string, bank, rng), rng), quarters)), string

    return kind


def climbing(bank: Bank, rng: np.random.Generator) -> tuple[Picture, str]:
    """A line at 30 degrees."""
    string = number(rng)
    page = Image.fromarray(on_page(line_ink(string, bank, rng), rng, 2.0))
    angle = float(rng.choice([-30, 30]) + rng.normal(0, 2))
    return np.asarray(
        page.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=int(np.median(np.asarray(page))))
    ), string


def on_table(bank: Bank, rng: np.random.Generator) -> tuple[Picture, str]:
    """A sheet on a dark table, turned a little, in perspective."""
    string = number(rng)
    sheet = on_page(line_ink(string, bank, rng), rng, 0.8)
    height, width = sheet.shape
    tall, wide = int(height * rng.uniform(1.5, 2.2)), int(width * rng.uniform(1.25, 1.7))
    y, x = np.mgrid[0:tall, 0:wide]
    grain = np.sin(y / rng.uniform(2, 8) + 2 * np.sin(x / rng.uniform(60, 200)) + rng.normal(0, 0.3, y.shape))
    table = (rng.uniform(50, 110) + rng.uniform(4, 18) * grain + rng.normal(0, 4, y.shape)).clip(0, 255)
    middle, turn = np.array([wide / 2, tall / 2]), np.radians(rng.uniform(-8, 8))
    corners = (np.array([[0, 0], [width, 0], [width, height], [0, height]]) - [width / 2, height / 2]) * [1, 1]
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    target = corners @ spin.T * 0.97 + middle + rng.normal(0, 0.02 * min(height, width), (4, 2))
    rows, values = [], []
    for (u, v), (a, b) in zip(target, corners + [width / 2, height / 2], strict=True):  # noqa: RUF005
        rows += [[u, v, 1, 0, 0, 0, -a * u, -a * v], [0, 0, 0, u, v, 1, -b * u, -b * v]]
        values += [a, b]
    solved = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    seen = np.asarray(
        Image.fromarray(sheet).transform((wide, tall), Image.Transform.PERSPECTIVE, solved, Image.Resampling.BILINEAR),
        np.float32,
    )
    inside = (
        np.asarray(
            Image.new("L", (width, height), 255).transform(
                (wide, tall), Image.Transform.PERSPECTIVE, solved, Image.Resampling.BILINEAR
            ),
            np.float32,
        )
        / 255
    )
    light = 1 - rng.uniform(0, 0.35) * (x / wide if rng.random() < 0.5 else y / tall)
    return as_jpeg(((table * (1 - inside) + seen * inside) * light).clip(0, 255).astype(np.uint8), rng), string


def boxed(bank: Bank, rng: np.random.Generator) -> tuple[Picture, str]:
    """A digit in each box of a row."""
    string, pitch = number(rng, 5, 8), DRAWN * rng.uniform(1.2, 1.7)
    hand = replace(Hand.draw(rng), small=1.0, drawn=0.0, wobble=0.03, drift=0.0, slant=0.0)
    canvas = written.drawn_line(string, bank, hand, rng, pitch)
    ink, left, top = written._composed(canvas)
    ink = np.pad(ink, ((20, 20), (40, 40)))
    begin, upper = 40 - left, 20 - top + 0.5 * (DRAWN - pitch)
    level, thick = rng.uniform(0.4, 0.9), int(rng.integers(1, 4))
    comb = rng.random() < 0.3
    for place in range(len(string) + 1):
        x = int(begin + place * pitch)
        ink[int(upper + (0.7 * pitch if comb else 0)) : int(upper + pitch), x : x + thick] = level
    for y in [upper + pitch] + [upper] * (not comb):
        ink[int(y) : int(y) + thick, int(begin) : int(begin + len(string) * pitch) + thick] = level
    return on_page(ink, rng, 0.4), string


def form(bank: Bank, rng: np.random.Generator) -> tuple[Picture, str]:
    """Two rows of boxes with printed words before them."""
    rows, texts = [], []
    for word in rng.choice(["Name", "Kunden-Nr.", "Datum", "Betrag", "Account", "Phone", "Date"], 2, replace=False):
        picture, string = boxed(bank, rng)
        wide = 150
        page = Image.new("L", (picture.shape[1] + wide, picture.shape[0]), int(np.median(picture)))
        page.paste(Image.fromarray(picture), (wide, 0))
        font = ImageFont.truetype(str(written._FONTS / "DejaVuSans.ttf"), int(rng.integers(15, 21)))
        ImageDraw.Draw(page).text((10, picture.shape[0] // 2 - 10), str(word), fill=60, font=font)
        rows.append(np.asarray(page))
        texts.append(string)
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1])), mode="edge") for row in rows]), "\n".join(
        texts
    )


def squared(bank: Bank, rng: np.random.Generator) -> tuple[Picture, str]:
    """On squared paper."""
    string = number(rng)
    ink = line_ink(string, bank, rng)
    ink = np.pad(ink, ((30, 30), (60, 60)))
    step, level = int(rng.integers(16, 30)), rng.uniform(0.15, 0.4)
    lines = np.zeros_like(ink)
    lines[int(rng.integers(step)) :: step] = level
    lines[:, int(rng.integers(step)) :: step] = level
    return as_jpeg(
        (rng.uniform(220, 248) * (1 - 0.85 * np.maximum(ink, lines)) + rng.normal(0, 1.5, ink.shape))
        .clip(0, 255)
        .astype(np.uint8),
        rng,
    ), string


def display(bank: Bank, rng: np.random.Generator) -> tuple[Picture, str]:
    """Seven segments, dark on light or lit on dark."""
    string = written._number(rng, 3, 6)
    ink, _, _ = written._composed(written.display(string, rng))
    ink = np.asarray(
        Image.fromarray(np.pad(ink, 24)).resize(
            (round(ink.shape[1] * 1.8) + 40, round(ink.shape[0] * 1.8) + 40), Image.Resampling.BICUBIC
        )
    ).clip(0, 1)
    picture = 30 + 200 * ink if rng.random() < 0.4 else 160 * (1 - 0.8 * ink)
    return as_jpeg((picture + rng.normal(0, 2, ink.shape)).clip(0, 255).astype(np.uint8), rng), string


def decimal(rng: np.random.Generator) -> str:
    return f"{rng.integers(0, 1000)}{rng.choice(['.', ','])}{rng.integers(0, 100):02d}"


KINDS: dict[str, Kind] = {
    "numbers": plain(number),
    "decimals": plain(decimal),
    "negative numbers": plain(lambda rng: "-" + (decimal(rng) if rng.random() < 0.3 else written._number(rng, 1, 4))),
    "dates": plain(
        lambda rng: (
            f"{rng.integers(1, 29):02d}{(s := str(rng.choice(list('/.-'))))}{rng.integers(1, 13):02d}{s}{rng.integers(1950, 2030)}"
        )
    ),
    "phones": plain(
        lambda rng: f"({written._number(rng, 3, 3)}) {written._number(rng, 3, 3)}-{written._number(rng, 4, 4)}"
    ),
    "touching digits": plain(number, gap=(-0.07, -0.02)),
    "zeros in a row": plain(lambda rng: written._number(rng, 1, 2) + "0" * int(rng.integers(2, 5)), chained=1.0),
    "boxes": boxed,
    "forms": form,
    "squared paper": squared,
    "turned by 90": turned(3),
    "turned by 180": turned(2),
    "turned by 270": turned(1),
    "at 30 degrees": climbing,
    "on a table": on_table,
    "displays": display,
}
