"""The provenance of a prepared case, ``CASE.prep.json``: all that is needed to restore its results.

Written by the preparation, read by ``nnunet-tv-restore`` and by the report on a patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_tv import __version__
from nnunet_tv.brain.coverage import Coverage
from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import read_json, write_json

ENDING = ".prep.json"
#: Scans that are registered to the template themselves; any other goes through them.
T1_NAMES = ("T1w", "T1c")
#: Registrations of a case, with the spaces that they connect.
MAPS = {"flair_to_t1": (FLAIR, T1), "t1_to_template": (T1, MNI)}


@dataclass(frozen=True)
class Provenance:
    """Everything that was decided and measured for one case."""

    case: str
    registration: str  #: space of `grid`: ``none``, ``t1`` or ``mni``
    grid: Grid  #: of the prepared images
    sources: dict[str, Grid]  #: original grids of the scans, by channel name (``T1w``, ``FLAIR``)
    #: The registrations; the identity where nothing was registered. :meth:`to_grid` composes those that lead to `grid`.
    flair_to_t1: Affine = field(default_factory=lambda: Affine.identity(*MAPS["flair_to_t1"]))
    t1_to_template: Affine = field(default_factory=lambda: Affine.identity(*MAPS["t1_to_template"]))
    flags: list[str] = field(default_factory=list)  #: reasons to review the case before trusting it
    details: dict[str, Any] = field(default_factory=dict)  #: files, hashes, metrics, parameters, versions of backends
    version: str = __version__  #: of nnunet-tv

    @property
    def brain_method(self) -> str | None:
        """Method of the brain mask, ``none`` with the skull; None where it is not recorded."""
        return self.details.get("parameters", {}).get("brain", {}).get("method")

    @property
    def metrics(self) -> dict[str, float]:
        """Every number of the nested ``details["metrics"]``, by its path such as ``brain volume_ml``."""
        return _numbers(self.details.get("metrics", {}))

    @property
    def coverage(self) -> list[Coverage] | None:
        """What each scan does not show of the brain; None where it was not checked, as without registration."""
        rows = self.details.get("coverage")
        return None if rows is None else [Coverage.read(row) for row in rows]

    def to_grid(self, channel: str) -> Affine:
        """Scanner space of a source scan to that of `grid`.

        In the space ``mni`` the T1w is mapped by `t1_to_template`; otherwise `grid` is in the T1w's own
        coordinates, and the template was only used to find the brain. Any other channel goes through the T1w.
        """
        from_t1 = self.t1_to_template if self.registration == "mni" else Affine.identity(T1)
        return from_t1 if channel in T1_NAMES else from_t1 @ self.flair_to_t1

    def write(self, path: str | Path) -> None:
        """Write as JSON, atomically."""
        content = {**vars(self), "grid": _grid_content(self.grid),
                   "sources": {name: _grid_content(grid) for name, grid in self.sources.items()},
                   **{name: getattr(self, name).matrix.tolist() for name in MAPS}}
        write_json(content, path)

    @classmethod
    def read(cls, path: str | Path) -> Provenance:
        """Read a file written by :meth:`write`; a :class:`CaseError` where there is none or fields are missing."""
        path = Path(path)
        case = path.name.removesuffix(ENDING)
        try:
            content = read_json(path)
            grids = {name: _grid(grid) for name, grid in content["sources"].items()}
            maps = {name: Affine(np.asarray(content[name], float), *spaces) for name, spaces in MAPS.items()
                    if name in content}
            return cls(**{**content, "grid": _grid(content["grid"]), "sources": grids, **maps})
        except FileNotFoundError as error:
            raise CaseError(case, "no preparation record: give the folder that nnunet-tv-prepare wrote (-p)",
                            path) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CaseError(case, f"not a preparation record of this version ({type(error).__name__}: {error}): "
                            "prepare the case again", path) from error


def _grid(content: Mapping[str, Any]) -> Grid:
    return Grid(tuple(content["shape"]), np.asarray(content["affine"], float))


def _grid_content(grid: Grid) -> dict[str, Any]:
    return {"shape": list(grid.shape), "affine": grid.affine.tolist()}


def _numbers(details: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in details.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= _numbers(value, f"{name} ")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = float(value)
    return found
