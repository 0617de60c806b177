"""What was done to a case, beside the case: ``CASE.prep.json``. Restoring needs nothing else.

Written by the preparation, read by ``nnunet-tv-restore`` and the report on a patient. Coordinates are
scanner millimetres, RAS+.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_tv import __version__
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import read_json, write_json

ENDING = ".prep.json"
#: Scans that are registered to the template themselves; any other goes through them.
T1_NAMES = ("T1w", "T1c")


@dataclass(frozen=True)
class Grid:
    """A voxel grid.

    Attributes
    ----------
    shape : tuple of int
        Voxels along X, Y, Z.
    affine : list of list of float, shape (4, 4)
        Voxel indices to scanner coordinates in mm, RAS+.
    """

    shape: tuple[int, ...]
    affine: list[list[float]]

    def matrix(self) -> np.ndarray:
        """The affine as float64, shape (4, 4)."""
        return np.asarray(self.affine, float)


@dataclass(frozen=True)
class Provenance:
    """Everything that was decided and measured for one case.

    Attributes
    ----------
    case : str
        Case identifier.
    registration : str
        ``none``, ``t1`` or ``mni``: which grid the case is on.
    grid : Grid
        The grid of the prepared images.
    sources : dict of str to Grid
        Grids of the scans as they came, by channel name (``T1w``, ``FLAIR``).
    flair_to_t1, t1_to_template : list of list of float, shape (4, 4)
        Map points of the first to points of the second; the identity where nothing was registered.
        :meth:`to_grid` says which of them lead to `grid`.
    flags : list of str
        What a person must look at before trusting the case.
    details : dict
        Files, hashes, orientations, metrics, parameters, backends and their versions.
    version : str
        Of nnunet-tv.
    """

    case: str
    registration: str
    grid: Grid
    sources: dict[str, Grid]
    flair_to_t1: list[list[float]] = field(default_factory=lambda: np.eye(4).tolist())
    t1_to_template: list[list[float]] = field(default_factory=lambda: np.eye(4).tolist())
    flags: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    version: str = __version__

    @property
    def brain_method(self) -> str | None:
        """How the brain was found, ``none`` if the skull was left; None where the record does not say."""
        return self.details.get("parameters", {}).get("brain", {}).get("method")

    def to_grid(self, channel: str) -> np.ndarray:
        """Matrix from scanner coordinates of a source scan to those of `grid`, shape (4, 4).

        On the template (``mni``) the T1w is at ``t1_to_template``; otherwise `grid` is in the T1w's own
        coordinates, and the template was only used to find the brain. Any other channel goes through the T1w.
        """
        matrix = np.asarray(self.t1_to_template, float) if self.registration == "mni" else np.eye(4)
        return matrix if channel in T1_NAMES else matrix @ np.asarray(self.flair_to_t1, float)

    def write(self, path: str | Path) -> None:
        """Write as JSON, atomically."""
        write_json(asdict(self), path)

    @classmethod
    def read(cls, path: str | Path) -> Provenance:
        """Record of a file that :meth:`write` made.

        Raises
        ------
        CaseError
            No such file, not JSON, or fields missing; the file is named.
        """
        path = Path(path)
        case = path.name.removesuffix(ENDING)
        try:
            content = read_json(path)
            grids = {name: _grid(grid) for name, grid in content["sources"].items()}
            return cls(**{**content, "grid": _grid(content["grid"]), "sources": grids})
        except FileNotFoundError as error:
            raise CaseError(case, "no preparation record: give the folder that nnunet-tv-prepare wrote (-p)",
                            path) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CaseError(case, f"not a preparation record of this version ({type(error).__name__}: {error}): "
                            "prepare the case again", path) from error


def _grid(content: Mapping[str, Any]) -> Grid:
    return Grid(tuple(content["shape"]), content["affine"])
