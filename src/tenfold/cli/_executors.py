"""The options that say where a cluster is. They speak through the environment, as Ray itself does."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def _address(value: str | None) -> str | None:
    if value is not None:
        os.environ["RAY_ADDRESS"] = value
    return value


def _insecure(value: bool) -> bool:
    if value:
        os.environ["TENFOLD_RAY_INSECURE"] = "1"
    return value


Address = Annotated[
    str | None,
    typer.Option(
        help="With --executor ray: a cluster; default: RAY_ADDRESS, or this machine.",
        callback=_address,
        metavar="HOST:PORT",
    ),
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure", help="With --executor ray: take a remote cluster that asks for no token.", callback=_insecure
    ),
]
