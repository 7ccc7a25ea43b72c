"""Options that many commands share and that no public function has: how text becomes a value."""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated, Literal

from tenfold.api.shared import Option
from tenfold.data import ReadOptions
from tenfold.errors import UsageError

Json = Annotated[bool, Option("--json")]
Force = Annotated[bool, Option("--force")]
PortableIsa = Annotated[Literal["avx2"] | None, Option("--portable-isa")]

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_VARIABLES = {"avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}}


def read_options(
    *,
    no_header: bool = False,
    scale: Annotated[float | None, Option(metavar="NUMBER")] = None,
    shape: Annotated[str | None, Option(metavar="SHAPE")] = None,
    allow_float_integers: bool = False,
    max_input_bytes: Annotated[str | None, Option(metavar="SIZE")] = None,
    skip_bad: bool = False,
    follow_links: bool = False,
    allow_empty_classes: bool = False,
    classes: Annotated[str | None, Option(metavar="NAMES")] = None,
    label_column: Annotated[str | None, Option(metavar="NAME")] = None,
    id_column: Annotated[str | None, Option(metavar="NAME")] = None,
    resize: Annotated[str | None, Option(metavar="HxW")] = None,
    keep_aspect: bool = False,
) -> ReadOptions:
    """What the user typed, as the readers take it.

    Args:
        no_header: tables: line 1 is data; columns are in Kaggle's order.
        scale: tables and arrays: the value that means 255, such as 1.
        shape: size of an image: HxW or CxHxW.
        allow_float_integers: tables: take 12.0 and 1e2 for integers.
        max_input_bytes: largest input after decompression, such as 500M or 8G (default 4G).
        skip_bad: folders: leave out unreadable images and list them.
        follow_links: folders: follow links that lead out of the folder.
        allow_empty_classes: folders: accept classes without images.
        classes: names of the classes in their order, such as cat,dog or 0..25 or A..Z; labels are names or places.
        label_column: tables: the column of labels, if it is not called label, class, target, digit or y.
        id_column: tables: a column that numbers the rows, if it is not called id or index.
        resize: bring every image to this size, without aliasing; CxHxW converts colours, too.
        keep_aspect: with --resize: scale both sides alike and fill up with the ground, instead of stretching.

    Raises:
        UsageError: a number or a size that cannot be meant.
    """
    if scale is not None and not 0 < scale < float("inf"):
        raise UsageError(f"--scale: found {scale:g}, expected a positive number: the value that means 255")
    limit = ReadOptions.max_input_bytes if max_input_bytes is None else parse_bytes(max_input_bytes)
    return ReadOptions(
        header=not no_header,
        scale=scale,
        allow_float_integers=allow_float_integers,
        shape=None if shape is None else parse_shape(shape),
        max_input_bytes=limit,
        skip_bad=skip_bad,
        follow_links=follow_links,
        allow_empty_classes=allow_empty_classes,
        class_names=None if classes is None else parse_classes(classes),
        label_column=label_column,
        id_column=id_column,
        resize=None if resize is None else parse_resize(resize),
        keep_aspect=keep_aspect,
    )


def parse_shape(text: str, option: str = "--shape") -> tuple[int, int, int]:
    """``28x28`` or ``3x32x32`` (commas will do) -> (C, H, W)."""
    match = re.fullmatch(r"(?:([1-9]\d{0,4})[x,])?([1-9]\d{0,4})[x,]([1-9]\d{0,4})", text.strip().lower(), re.ASCII)
    if match is None:
        raise UsageError(f"{option}: found {text!r}, expected HxW or CxHxW, such as 28x28 or 3x32x32")
    channels, height, width = match.groups(default="1")
    return int(channels), int(height), int(width)


def parse_resize(text: str) -> tuple[int, ...]:
    """``28x28`` -> (H, W), ``3x32x32`` -> (C, H, W)."""
    shape = parse_shape(text, "--resize")
    return shape if len(re.findall(r"\d+", text)) == 3 else shape[1:]


def parse_classes(text: str) -> tuple[str, ...]:
    """``cat,dog``, ``0..25``, ``A..Z`` or several of these with commas between -> the names."""
    names: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if match := re.fullmatch(r"(\d{1,5})\.\.(\d{1,5})", part, re.ASCII):
            names += map(str, range(int(match[1]), int(match[2]) + 1))
        elif match := re.fullmatch(r"([a-z])\.\.([a-z])|([A-Z])\.\.([A-Z])", part):
            first, last = filter(None, match.groups())
            names += map(chr, range(ord(first), ord(last) + 1))
        elif part:
            names.append(part)
    if len(names) < 2 or len(set(names)) < len(names):
        found = "a name twice" if len(set(names)) < len(names) else "fewer than two"
        raise UsageError(f"--classes: found {found} in {text[:80]!r}, expected names such as cat,dog or 0..25 or A..Z")
    return tuple(names)


def parse_bytes(text: str) -> int:
    """``500M``, ``4GiB`` or plain bytes -> bytes, in powers of 1024."""
    match = re.fullmatch(r"(\d{1,18})\s*([KMGT]?)(?:i?B)?", text.strip(), re.ASCII | re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise UsageError(f"--max-input-bytes: found {text!r}, expected a size such as 500M or 8G")
    return int(match[1]) * 1024 ** _UNITS[match[2].upper()]


def cluster(*, address: Annotated[str | None, Option(metavar="HOST:PORT")] = None, insecure: bool = False) -> None:
    """Say where a cluster is, through the environment, as Ray itself does.

    Args:
        address: with --executor ray: a cluster; default: RAY_ADDRESS, or this machine.
        insecure: with --executor ray: take a remote cluster that asks for no token.
    """
    if address is not None:
        os.environ["RAY_ADDRESS"] = address
    if insecure:
        os.environ["TENFOLD_RAY_INSECURE"] = "1"


def pin(portable_isa: str | None) -> None:
    """Make a newer processor compute like an older one, through the environment, as torch asks.

    Raises:
        UsageError: torch has looked at the processor already.
    """
    if portable_isa is not None:
        if "torch" in sys.modules:
            raise UsageError("--portable-isa comes too late: torch is loaded; give it to a fresh process")
        os.environ.update(_VARIABLES[portable_isa])
