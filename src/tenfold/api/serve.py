"""Serve: digits recognised over HTTP, and a page to draw on."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from tenfold.api.shared import Option, place_of
from tenfold.errors import UsageError, missing_extra, printable

TOKEN = "TENFOLD_TOKEN"
SHORTEST_TOKEN = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ORIGIN = re.compile(r"https?://[A-Za-z0-9._\[\]:-]{1,260}/?", re.ASCII)
File = Annotated[str | Path, Option(metavar="FILE")]


def serve(
    bundles: Annotated[str | Path | Sequence[str | Path], Option(metavar="[BUNDLE...]")] = (),
    *,
    host: Annotated[str, Option(metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, Option(low=0, high=65535)] = 8000,
    token_file: File | None = None,
    insecure: bool = False,
    allow_host: Annotated[Sequence[str], Option(metavar="NAME")] = (),
    allow_origin: Annotated[Sequence[str], Option(metavar="ADDRESS")] = (),
    trust_proxy: Annotated[Sequence[str], Option(metavar="ADDRESS")] = (),
    certfile: File | None = None,
    keyfile: File | None = None,
    workers: Annotated[int, Option(low=0, high=256)] = 0,
    rate: Annotated[float, Option(low=0)] = 0,
    keep: Annotated[str | Path | None, Option(metavar="FOLDER")] = None,
    drain_delay: Annotated[float, Option(low=0, high=600)] = 2.0,
    log: bool = True,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Recognise over HTTP, and on a page to draw on. Ctrl-C ends it.

    Args:
        bundles: bundles, or runs that have one, each as PATH or NAME=PATH, or names of released ones; without any, the
            one that comes along.
        host: address to listen on.
        port: port to listen on; 0 takes any that is free.
        token_file: file with the token that clients must send; or set TENFOLD_TOKEN.
        insecure: let other machines in without a token.
        allow_host: a further name by which clients may call; may be repeated.
        allow_origin: where a proxy shows the page, as https://example.com, if it asks here by another name; may be
            repeated.
        trust_proxy: address or network of a proxy whose X-Forwarded-For is believed; may be repeated.
        certfile: serve HTTPS with this certificate (PEM).
        keyfile: its key, if not in the same file.
        workers: processes that compute; 0 is one for each core, two at least.
        rate: requests a second from one address; 0 is no limit.
        keep: keep examples that are labelled on the page, as a data set.
        drain_delay: seconds to listen on, not ready, after SIGTERM.
        log: a JSON line a request, on standard error.
        on_listening: told the address once it is open.

    Raises:
        UsageError: names that clash, a token that is too short, or an address that anybody could reach without one.
        ResourceError: a package is missing, or the port is taken.

    Example:
        >>> import tenfold
        >>> tenfold.serve(host="0.0.0.0")  # doctest: +ELLIPSIS, +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        tenfold.errors.UsageError: ...
    """
    try:
        from tenfold.service import server
        from tenfold.service.settings import Limits, Settings, Times
    except ImportError as error:
        if error.name and error.name.startswith("tenfold"):
            raise
        raise missing_extra(str(error.name), "serve", "tenfold serve") from error
    if (certfile is None) and keyfile is not None:
        raise UsageError("--keyfile goes with --certfile")
    wanted = [bundles] if isinstance(bundles, str | Path) else bundles
    settings = Settings(
        models=_named([str(one) for one in wanted] or ["digits=builtin"]),
        host=host,
        port=port,
        token=_token(None if token_file is None else Path(token_file)),
        allowed_hosts=tuple(allow_host),
        allowed_origins=tuple(_origin(text) for text in allow_origin),
        trusted_proxies=tuple(_network(text) for text in trust_proxy),
        workers=workers,
        keep=None if keep is None else Path(keep),
        certfile=None if certfile is None else Path(certfile),
        keyfile=None if keyfile is None else Path(keyfile),
        limits=Limits(rate=rate),
        times=Times(drain_delay=drain_delay),
    )
    server.check_exposure(settings, insecure)
    say = on_listening or (lambda at: print(f"listening on {at}", flush=True))
    server.serve(settings, log_to=sys.stderr if log else None, on_listening=say)


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise UsageError(f"--allow-origin: found {printable(text)!r}, expected scheme and host, as https://example.com")
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise UsageError(
            f"--trust-proxy: found {printable(text)!r}, expected an address or a network, as 10.0.0.0/8"
        ) from None
    return text


def _named(bundles: list[str]) -> dict[str, str]:
    """NAME -> bundle."""
    models: dict[str, str] = {}
    for text in bundles:
        name, equals, path = text.partition("=")
        path = path if equals else text
        path = str(place_of(path))
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
