"""The page of one patient: what was found, where, how sure the network is, and what that means."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nnunet_tv.brain.atlas import NAME as ATLAS
from nnunet_tv.imaging.drawing import CONVENTION
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.inference.clusters import Cluster, size_text
from nnunet_tv.inference.model_folder import Accuracy
from nnunet_tv.inference.patient_picture import MOST
from nnunet_tv.inference.trained_on import SYNTHETIC, TrainedOn
from nnunet_tv.utils.files import write_text
from nnunet_tv.utils.html import render
from nnunet_tv.utils.numbers import counted, fixed, rounded

#: Rows of the table at most; clusters.csv has all clusters.
ROWS = 10


@dataclass(frozen=True)
class ModelSummary:
    """How the result of a case was obtained."""

    model: str  #: name and folds
    filter: str  #: description of the cluster filter
    registration: str  #: ``none``, ``t1`` or ``mni``
    highest_probability: float  #: of a lesion on the prepared grid, before the filter
    trained_on: TrainedOn = field(default_factory=TrainedOn)  #: what the model was trained on
    accuracy: Accuracy | None = None  #: of the model in a test, if it is known


@dataclass(frozen=True)
class Warnings:
    """What must be read before the result, in sentences."""

    result: Sequence[str] = ()  #: why the result itself is to be doubted
    coverage: Sequence[str] = ()  #: what the scans do not show of the brain
    preparation: Sequence[str] = ()  #: why the preparation is to be checked


def status_line(clusters: Sequence[Cluster]) -> str:
    """Return the number of clusters and their volume as a sentence."""
    if not clusters:
        return "No cluster found."
    total = sum(cluster.volume_mm3 for cluster in clusters)
    return f"{counted(len(clusters), 'cluster')} found, {size_text(total)} in all."


#: Name of the plane that is counted along an axis, by its letter, and where counting starts.
_PLANES = {"S": ("axial", "below"), "R": ("sagittal", "the patient's left"), "A": ("coronal", "behind")}
_OPPOSITE = {"I": "S", "L": "R", "P": "A"}


def slice_text(grid: Grid, point_mm: np.ndarray) -> str:
    """Slice of a scan that contains a point, such as ``axial slice 24 of 39, counted from below``.

    Slices are those across the thickest side of the voxels; axial ones where no side is half as long again as another.
    """
    codes, spacing = grid.orientation, grid.spacing_mm
    if max(spacing) > 1.5 * min(spacing):
        axis = int(np.argmax(spacing))
    else:
        axis = next(axis for axis, code in enumerate(codes) if code in "SI")
    last = grid.shape[axis] - 1
    index = int(np.clip(np.rint(grid.to_indices(point_mm)[axis]), 0, last))
    if codes[axis] in _OPPOSITE:
        index = last - index
    plane, start = _PLANES[_OPPOSITE.get(codes[axis], codes[axis])]
    return f"{plane} slice {index + 1} of {last + 1}, counted from {start}"


def position_text(point_mm: np.ndarray) -> str:
    """Scanner coordinates (RAS+) as viewers show them, such as ``L 32, A 28, S 20 mm``."""
    letters = (("R", "L"), ("A", "P"), ("S", "I"))
    return ", ".join(f"{positive if rounded(value) >= 0 else negative} {fixed(abs(value))}"
                     for value, (positive, negative) in zip(point_mm, letters, strict=True)) + " mm"


def across_mm(volume_mm3: float) -> float:
    """Diameter of a ball of this volume."""
    return float((6 * volume_mm3 / np.pi) ** (1 / 3))


def write_page(
    case: str, clusters: Sequence[Cluster], image: str | Path, path: str | Path, *, summary: ModelSummary,
    warnings: Warnings | None = None, notes: Sequence[str] = (), places: Sequence[str] = (),
    coverage_checked: bool = False, created: str = "",
) -> None:
    """Write a case's page, atomically.

    `image` is the PNG of :func:`~nnunet_tv.inference.patient_picture.draw_patient`, `places` where the first cluster
    is in each scan, `created` date and time.
    """
    page = render(
        "patient.html.j2", case=case, clusters=clusters, status=status_line(clusters), warnings=warnings or Warnings(),
        notes=notes, places=places, coverage_checked=coverage_checked, image=image, model=summary, created=created,
        atlas=ATLAS, convention=CONVENTION, most_rows=ROWS, most_drawn=MOST, synthetic=SYNTHETIC, size=size_text,
        across=across_mm,
    )
    write_text(page, path)
