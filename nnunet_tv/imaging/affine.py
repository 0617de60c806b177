"""Affine maps between scanner spaces in millimetres, RAS+, and their files in ITK's LPS convention."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_tv.utils.files import atomic

#: Names of the scanner spaces of a FLAIR and of a T1w (or T1c), and of the template's space.
FLAIR, T1, MNI = "flair", "t1", "mni"
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Affine:
    """An affine map from one scanner space to another.

    Examples
    --------
    >>> shift = np.eye(4)
    >>> shift[0, 3] = 2
    >>> flair_to_t1, t1_to_mni = Affine(shift, "flair", "t1"), Affine(np.diag([2.0, 2, 2, 1]), "t1", "mni")
    >>> flair_to_mni = t1_to_mni @ flair_to_t1
    >>> flair_to_mni.source, flair_to_mni.target, flair_to_mni.apply(np.zeros(3))
    ('flair', 'mni', array([4., 0., 0.]))
    >>> flair_to_t1 @ t1_to_mni
    Traceback (most recent call last):
    ValueError: cannot apply flair -> t1 after t1 -> mni: expected the first map to end in flair
    """

    matrix: np.ndarray  #: points of `source` to points of `target`, mm, RAS+; shape (4, 4), float64
    source: str  #: name of a space, such as ``flair``, ``t1`` or ``mni``
    target: str

    @classmethod
    def identity(cls, source: str, target: str | None = None) -> Affine:
        """The identity, within one space or between two spaces that share their coordinates."""
        return cls(np.eye(4), source, source if target is None else target)

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, Affine) and (self.source, self.target) == (other.source, other.target)
                and np.array_equal(self.matrix, other.matrix))

    def __matmul__(self, other: Affine) -> Affine:
        """Compose: ``(second @ first).apply(points) == second.apply(first.apply(points))``."""
        if other.target != self.source:
            raise ValueError(f"cannot apply {self.source} -> {self.target} after {other.source} -> {other.target}: "
                             f"expected the first map to end in {self.source}")
        return Affine(self.matrix @ other.matrix, other.source, self.target)

    def inverse(self) -> Affine:
        """The map from `target` to `source`."""
        return Affine(np.linalg.inv(self.matrix), self.target, self.source)

    def apply(self, points_mm: np.ndarray) -> np.ndarray:
        """Points of `target` for points of `source`, shape (..., 3)."""
        return transform(self.matrix, points_mm)

    @property
    def volume_ratio(self) -> float:
        """Volume in `target` per volume in `source`."""
        return abs(float(np.linalg.det(self.matrix[:3, :3])))

    def write_itk(self, path: str | Path) -> None:
        """Write as an ITK transform (``.tfm``), atomically, as antsApplyTransforms and 3D Slicer expect it.

        The file maps points of `target` (the fixed scan) to points of `source` (the moving one), in LPS mm.
        """
        import SimpleITK as sitk

        with atomic(path) as temporary:
            sitk.WriteTransform(itk_affine(_LPS @ np.linalg.inv(self.matrix) @ _LPS), str(temporary))

    @classmethod
    def read_itk(cls, path: str | Path, source: str, target: str) -> Affine:
        """Inverse of :meth:`write_itk`; the file does not name its spaces."""
        import SimpleITK as sitk

        matrix = itk_matrix(sitk.AffineTransform(sitk.ReadTransform(str(path))))
        return cls(np.linalg.inv(_LPS @ matrix @ _LPS), source, target)


def itk_affine(matrix: np.ndarray):
    """SimpleITK transform with a 4 x 4 `matrix`."""
    import SimpleITK as sitk

    itk = sitk.AffineTransform(3)
    itk.SetMatrix(matrix[:3, :3].ravel().tolist())
    itk.SetTranslation(matrix[:3, 3].tolist())
    return itk


def itk_matrix(itk) -> np.ndarray:
    """Matrix (4 x 4) of a SimpleITK matrix-offset transform; the inverse of :func:`itk_affine`."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(itk.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = itk.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a 4 x 4 `matrix` to points of shape (..., 3)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def rotation_about(rotation: np.ndarray, centre_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """Matrix (4 x 4) that rotates by `rotation` (3 x 3) and maps `centre_mm` to `target_mm`."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = np.asarray(target_mm, float) - rotation @ np.asarray(centre_mm, float)
    return matrix


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal matrix (3 x 3) nearest to `matrix`, with the same handedness (polar decomposition)."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def displacement_mm(first: np.ndarray, second: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    """Distance in mm between the images of each point under two 4 x 4 matrices, shape (N,)."""
    return np.linalg.norm(transform(first - second, points_mm), axis=-1)
