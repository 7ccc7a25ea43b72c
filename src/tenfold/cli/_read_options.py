"""The options of every command that reads images, and how they become :class:`ReadOptions`.

What :func:`read_options` takes is what the command line offers; :func:`options` hands it to a command as one value.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Set
from typing import Annotated, Any, get_type_hints

import typer

from tenfold.data import ReadOptions, Role
from tenfold.errors import UsageError

NoHeader = Annotated[bool, typer.Option("--no-header", help="Tables: line 1 is data; columns are in Kaggle's order.")]
Scale = Annotated[
    float | None, typer.Option(help="Tables and arrays: the value that means 255, such as 1.", metavar="NUMBER")
]
Shape = Annotated[str | None, typer.Option(help="Size of an image: HxW or CxHxW.", metavar="SHAPE")]
AllowFloatIntegers = Annotated[
    bool, typer.Option("--allow-float-integers", help="Tables: take 12.0 and 1e2 for integers.")
]
MaxInputBytes = Annotated[
    str | None, typer.Option(help="Largest input after decompression, such as 500M or 8G (default 4G).", metavar="SIZE")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Folders: leave out unreadable images and list them.")]
FollowLinks = Annotated[bool, typer.Option("--follow-links", help="Folders: follow links that lead out of the folder.")]
AllowEmptyClasses = Annotated[
    bool, typer.Option("--allow-empty-classes", help="Folders: accept classes without images.")
]

RoleName = Annotated[str, typer.Option("--role", help="Which part of the source: train or test.", metavar="train|test")]

_OOF = "Look for wrong labels, too: a cross-validation of this data, or a .npz or CSV file of predictions."
OutOfFold = Annotated[str | None, typer.Option("--oof", help=_OOF, metavar="RUN|FILE")]
OutOfFoldNeeded = Annotated[
    str,
    typer.Option(
        "--oof", help="A cross-validation of this data, or a .npz or CSV file of predictions.", metavar="RUN|FILE"
    ),
]

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def read_options(
    *,
    no_header: NoHeader = False,
    scale: Scale = None,
    shape: Shape = None,
    allow_float_integers: AllowFloatIntegers = False,
    max_input_bytes: MaxInputBytes = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    allow_empty_classes: AllowEmptyClasses = False,
) -> ReadOptions:
    """What the user typed, as the readers take it.

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
    )


def options(without: Set[str] = frozenset()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that puts the parameters of :func:`read_options` in the place of a command's parameter ``reading``.

    Args:
        without: parameters that mean nothing to the command.
    """
    offered = {
        name: p for name, p in inspect.signature(read_options, eval_str=True).parameters.items() if name not in without
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_options(**typed: Any) -> None:
            chosen = {name: typed.pop(name) for name in offered}
            command(**typed, reading=read_options(**chosen))

        hints = get_type_hints(command, include_extras=True)
        own = [
            p.replace(annotation=hints[name])
            for name, p in inspect.signature(command).parameters.items()
            if name != "reading"
        ]
        parameters = [*own, *offered.values()]
        with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_options

    return decorate


def role(text: str) -> Role:
    """What ``--role`` says."""
    if text == "train":
        return "train"
    if text == "test":
        return "test"
    raise UsageError(f"--role: found {text!r}, expected train or test")


def parse_shape(text: str) -> tuple[int, int, int]:
    """``28x28`` or ``3x32x32`` (commas will do) -> (C, H, W)."""
    match = re.fullmatch(r"(?:([1-9]\d{0,4})[x,])?([1-9]\d{0,4})[x,]([1-9]\d{0,4})", text.strip().lower(), re.ASCII)
    if match is None:
        raise UsageError(f"--shape: found {text!r}, expected HxW or CxHxW, such as 28x28 or 3x32x32")
    channels, height, width = match.groups(default="1")
    return int(channels), int(height), int(width)


def parse_bytes(text: str) -> int:
    """``500M``, ``4GiB`` or plain bytes -> bytes, in powers of 1024."""
    match = re.fullmatch(r"(\d{1,18})\s*([KMGT]?)(?:i?B)?", text.strip(), re.ASCII | re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise UsageError(f"--max-input-bytes: found {text!r}, expected a size such as 500M or 8G")
    return int(match[1]) * 1024 ** _UNITS[match[2].upper()]
