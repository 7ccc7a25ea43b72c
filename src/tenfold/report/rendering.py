"""From a template and what it shows to one HTML file that runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tenfold.errors import missing_extra
from tenfold.report.formats import FILTERS


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
    loader = jinja2.PackageLoader("tenfold.report")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= FILTERS | dict(filters or {})

    def joined(names: Sequence[str]) -> str:
        return "\n".join(loader.get_source(environment, name)[0] for name in names)

    script = joined(scripts)
    # the page's own script is allowed by its hash, so that nothing else in the page can ever run
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template(template).render(context, script=script, style=joined(styles), script_hash=digest)
