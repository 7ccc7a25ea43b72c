"""`tenfold serve`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli import _console
from tenfold.errors import UsageError, missing_extra, printable

TOKEN = "TENFOLD_TOKEN"
SHORTEST_TOKEN = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def serve(
    bundles: Annotated[
        list[str] | None,
        typer.Argument(
            help="Bundles, or runs that have one, each as PATH or NAME=PATH; without any, the one that comes along.",
            metavar="[BUNDLE...]",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any that is free.", min=0, max=65535)] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help=f"File with the token that clients must send; or set {TOKEN}.", metavar="FILE")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Let other machines in without a token.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further name by which clients may call; may be repeated.", metavar="NAME"),
    ] = None,
    certfile: Annotated[
        Path | None, typer.Option(help="Serve HTTPS with this certificate (PEM).", metavar="FILE")
    ] = None,
    keyfile: Annotated[Path | None, typer.Option(help="Its key, if not in the same file.", metavar="FILE")] = None,
    workers: Annotated[
        int, typer.Option(help="Processes that compute; 0 is one for each core but one.", min=0, max=256)
    ] = 0,
    rate: Annotated[float, typer.Option(help="Requests a second from one address; 0 is no limit.", min=0)] = 0,
    keep: Annotated[
        Path | None, typer.Option(help="Keep examples that are labelled on the page, as a data set.", metavar="FOLDER")
    ] = None,
    drain_delay: Annotated[
        float, typer.Option(help="Seconds to listen on, not ready, after SIGTERM.", min=0, max=600)
    ] = 2.0,
    log: Annotated[bool, typer.Option("--log/--no-log", help="A JSON line a request, on standard error.")] = True,
) -> None:
    """Recognise over HTTP, and on a page to draw on. Ctrl-C ends it."""
    try:
        from tenfold.service.server import check_exposure, serve
        from tenfold.service.settings import Limits, Settings, Times
    except ImportError as error:
        if error.name and error.name.startswith("tenfold"):
            raise
        raise missing_extra(str(error.name), "serve", "tenfold serve") from error
    if (certfile is None) and keyfile is not None:
        raise UsageError("--keyfile goes with --certfile")
    settings = Settings(
        models=_named(bundles or ["digits=builtin"]),
        host=host,
        port=port,
        token=_token(token_file),
        allowed_hosts=tuple(allow_host or ()),
        workers=workers,
        keep=keep,
        certfile=certfile,
        keyfile=keyfile,
        limits=Limits(rate=rate),
        times=Times(drain_delay=drain_delay),
    )
    check_exposure(settings, insecure)
    serve(settings, log_to=sys.stderr if log else None, on_listening=lambda at: _console.say(f"listening on {at}"))


def _named(bundles: list[str]) -> dict[str, str]:
    """NAME -> bundle."""
    models: dict[str, str] = {}
    for text in bundles:
        name, equals, path = text.partition("=")
        path = path if equals else text
        if not equals:
            folder = Path(path).resolve()
            name = folder.parent.name if folder.name == "bundle" else folder.name
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"found the model name {printable(name)!r}, expected letters, digits, dots, dashes; write"
                f" NAME={printable(text)}"
            )
        if name in models:
            raise UsageError(f"two bundles are named {name}; write NAME=PATH to tell them apart")
        models[name] = path
    return models


def _token(file: Path | None) -> str | None:
    """The token from ``file``, else from the environment; never from the command line, which others can see."""
    if file is None:
        token = os.environ.get(TOKEN)
        where = TOKEN
    else:
        try:
            token = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the token in {file}: {error}") from None
        where = str(file)
    if token is None:
        return None
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            f"the token in {where} is too short or has odd characters; expected at least {SHORTEST_TOKEN} ASCII"
            " characters, such as `openssl rand -hex 32` prints"
        )
    return token
