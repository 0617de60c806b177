"""HTML pages that open from disk: one file each, images embedded, no network, no scripts."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_tv import __version__
from nnunet_tv.utils.numbers import fixed

if TYPE_CHECKING:
    from markupsafe import Markup

#: Stated on every page and picture of a patient.
RESEARCH_USE = "For research use only: not a medical device, no basis for a diagnosis or a treatment."


def render(template: str, **context: Any) -> str:
    """Render a page of ``nnunet_tv/templates``, such as ``qc.html.j2``; text is escaped.

    All variables must be given, but `version` and `research_use`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("nnunet_tv"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["data_uri"] = data_uri
    environment.filters["fixed"] = fixed
    environment.filters["linked"] = linked
    environment.filters["minute"] = minute
    context = {"version": __version__, "research_use": RESEARCH_USE, **context}
    return environment.get_template(template).render(context)


def linked(text: str) -> Markup:
    """Escaped `text` in which each title with its anchor in parentheses is a link; titles are separated by semicolons.

    Examples
    --------
    >>> print(linked("Flow of <cases> (#flow); lost"))
    <a href="#flow">Flow of &lt;cases&gt;</a>; lost
    """
    from markupsafe import Markup, escape

    parts = (re.fullmatch(r"(.*) \(#([\w-]+)\)", part) for part in text.split("; "))
    return Markup("; ").join(Markup('<a href="#{}">{}</a>').format(part[2], part[1]) if part else escape(plain)
                             for part, plain in zip(parts, text.split("; "), strict=True))


def minute(stamp: str) -> str:
    """ISO 8601 time `stamp` for readers, in UTC.

    Examples
    --------
    >>> minute("2026-11-22T00:53:00+00:00"), minute("2026-11-22T00:53:07+02:00")
    ('2026-11-22 00:53 UTC', '2026-11-21 22:53 UTC')
    """
    return f"{datetime.fromisoformat(stamp).astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def data_uri(path: str | Path) -> str:
    """Return a PNG file as a ``data:`` URI."""
    return "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode("ascii")
