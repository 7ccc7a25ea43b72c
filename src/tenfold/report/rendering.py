"""From a template and what it shows to one HTML file that runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tenfold.errors import missing_extra

SPACE = "\u00a0"  # no-break, between a number and its unit
DASH = "–"


def percent(share: float | None, digits: int = 2) -> str:
    """``0.99534`` as ``99.53 %``; a dash where it is unknown or undefined."""
    return DASH if share is None or math.isnan(share) else f"{100 * share:.{digits}f}{SPACE}%"


def decimal(value: float | None, digits: int = 4) -> str:
    """``0.02178`` as ``0.0218``; a dash where it is unknown or undefined."""
    return DASH if value is None or math.isnan(value) else f"{value:.{digits}f}"


def whole(value: int | None) -> str:
    """``12345`` as ``12,345``; a dash where it is unknown."""
    return DASH if value is None else f"{value:,}"


def duration(seconds: float | None) -> str:
    """Seconds as ``0.84 s``, ``41.2 s``, ``3 min 07 s`` or ``2 h 05 min``."""
    if seconds is None:
        return DASH
    if seconds < 99.95:
        return f"{seconds:.{1 if seconds >= 9.995 else 2}f}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{SPACE}min {rest:02d}{SPACE}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}{SPACE}h {minutes:02d}{SPACE}min"


def size(octets: float | None) -> str:
    """Bytes as ``312 MB`` or ``1.4 GB``, in powers of 1000."""
    if octets is None:
        return DASH
    for unit in ("B", "kB", "MB"):
        if octets < 999.5:
            return f"{octets:.0f}{SPACE}{unit}"
        octets /= 1000
    return f"{octets:.1f}{SPACE}GB"


def plural(count: int, noun: str) -> str:
    """``1 mistake``, ``1,204 mistakes``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


FILTERS = {f.__name__: f for f in (percent, decimal, whole, duration, size, plural)}


def fill(
    template: str,
    context: Mapping[str, Any],
    *,
    scripts: Sequence[str],
    styles: Sequence[str],
    filters: Mapping[str, Callable[..., str]] | None = None,
    purpose: str = "the report",
    extra: str = "train",
) -> str:
    """The page as text. Scripts and styles are files beside the template; they go into the page one after another.

    Raises:
        ResourceError: jinja2 is missing; the message names ``purpose`` and the extra.
    """
    try:
        import jinja2
    except ImportError as error:
        raise missing_extra("jinja2", extra, purpose) from error
    house = jinja2.PackageLoader("tenfold.report")
    shown = context.get("sections", ())
    loader = jinja2.ChoiceLoader([house, jinja2.DictLoader({some.template: some.markup for some, _ in shown})])
    sprites = [pair for some, value in shown for pair in some.sprites(value).items() if pair[1] is not None]
    context = {"sprites": sprites} | dict(context)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= FILTERS | dict(filters or {})

    def joined(names: Sequence[str]) -> str:
        return "\n".join(house.get_source(environment, name)[0] for name in names)

    script = joined(scripts)
    # the page's own script is allowed by its hash, so that nothing else in the page can ever run
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template(template).render(context, script=script, style=joined(styles), script_hash=digest)
