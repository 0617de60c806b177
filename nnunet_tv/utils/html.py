"""HTML pages that open from disk: one file each, images embedded, no network, no scripts."""

import base64
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.utils.numbers import fixed

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
    context = {"version": __version__, "research_use": RESEARCH_USE, **context}
    return environment.get_template(template).render(context)


def data_uri(path: str | Path) -> str:
    """Return a PNG file as a ``data:`` URI."""
    return "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode("ascii")
