"""How the slices of a DICOM series lie: directions, places, repeated volumes, and what is wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_tv.intake.dicom_header import Frame

#: Slices whose normals differ by more than this are of two directions.
_SAME_DIRECTION_DEG = 2.0
#: Slices nearer than this lie in one place, mm.
_SAME_PLACE_MM = 0.01
#: A distance of this many usual ones is a gap.
_GAP = 1.5


@dataclass(frozen=True)
class Stack:
    """The slices of a series."""

    slices: int  #: different places in the first direction
    volumes: int = 1  #: images in each place (echoes, b-values, time points)
    directions: int = 1
    fault: str = ""  #: why slices cannot be placed; empty where all is well

    @classmethod
    def of(cls, frames: Sequence[Frame]) -> "Stack":
        """The stack of `frames`, from their positions alone: the order of files and instances has no meaning."""
        total = len(frames)
        for name, missing in (("position (ImagePositionPatient)", sum(not frame.position for frame in frames)),
                              ("orientation (ImageOrientationPatient)", sum(not one.orientation for one in frames))):
            if missing:
                return cls(total, fault=f"{missing} of {total} slices have no {name}")
        rows = np.array([frame.orientation for frame in frames])
        normals = np.cross(rows[:, :3], rows[:, 3:])
        lengths = np.linalg.norm(normals, axis=1)
        if (np.abs(lengths - 1) > 0.05).any():
            return cls(total, fault="the orientation (ImageOrientationPatient) is not of two perpendicular directions")
        directions = _directions(normals)
        along = np.einsum("ij,j->i", np.array([frame.position for frame in frames]), directions[0])
        first = np.abs(normals @ directions[0]) > np.cos(np.deg2rad(_SAME_DIRECTION_DEG))
        places = np.sort(along[first])
        distances = np.diff(places)
        distances = distances[distances > _SAME_PLACE_MM]
        slices = len(distances) + 1
        volumes = -(-int(first.sum()) // slices)
        if total > 1 and slices == 1 and len(directions) == 1:
            return cls(total, fault=f"all {total} slices have one position (ImagePositionPatient)")
        fault = ""
        if slices > 3 and distances.max() > _GAP * np.median(distances):
            fault = f"slices are missing: their distances are {distances.min():.2f} to {distances.max():.2f} mm"
        return cls(slices, volumes, len(directions), fault)


def _directions(normals: np.ndarray) -> list[np.ndarray]:
    """Different directions among unit vectors, where opposite ones are one direction."""
    found: list[np.ndarray] = []
    for normal in normals:
        if all(abs(float(normal @ other)) <= np.cos(np.deg2rad(_SAME_DIRECTION_DEG)) for other in found):
            found.append(normal)
    return found
