"""The conversion table: one row per case, tab-separated, with what it was made from and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from nnunet_tv.conversion.plan import PlannedCase
from nnunet_tv.utils.files import write_if_changed

COLUMNS = ("case", "sources", "sha256", "split", "status", "notes")
CONVERTED, FLAGGED, FAILED, PLANNED = "converted", "flagged", "failed", "planned"


def row(
    planned: PlannedCase, folder: Path, *, status: str, notes: Iterable[str], digests: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Cells of one case, in the order of :data:`COLUMNS`.

    Parameters
    ----------
    planned : PlannedCase
        The case.
    folder : Path
        The data set; sources are told relative to it.
    status : str
        ``converted``, ``flagged`` (converted, but look first), ``failed`` or ``planned``.
    notes : iterable of str
        What to say about it.
    digests : dict of str to str, optional
        SHA-256 of the sources by channel name or ``label``.
    """
    sources = {name: path.relative_to(folder) if path.is_relative_to(folder) else path
               for name, path in planned.source.files.items()}
    return (
        planned.source.case,
        "; ".join(f"{name}={path}" for name, path in sources.items()),
        "; ".join(f"{name}={digest}" for name, digest in (digests or {}).items()),
        planned.split,
        status,
        "; ".join(" ".join(note.split()) for note in notes),
    )


def write_table(rows: Iterable[tuple[str, ...]], path: Path) -> None:
    """Write rows under the header, atomically; an equal file is left as it is."""
    text = "".join("\t".join(cells) + "\n" for cells in (COLUMNS, *rows))
    write_if_changed(text, path)


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows as dictionaries, as :func:`write_table` wrote them."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
