"""Template to scanner: a subject's anatomy (affine and smooth warp), then the position of the head (rigid).

Every transform has a closed form, so that a registration can be measured against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnunet_tv.imaging.affine import rotation_about, transform


def rigid(rotation_deg: np.ndarray, translation_mm: np.ndarray, centre_mm: np.ndarray) -> np.ndarray:
    """4 x 4 matrix: rotate about x, then y, then z through `centre_mm`, then shift."""
    a, b, c = np.deg2rad(rotation_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return rotation_about(about_z @ about_y @ about_x, centre_mm, np.asarray(centre_mm, float) + translation_mm)


@dataclass(frozen=True)
class Warp:
    """Smooth displacement: a sum of sine waves, ``u(p) = sum_k a_k sin(2 pi f_k·p + phase_k)``."""

    amplitude_mm: np.ndarray  #: shape (K, 3)
    frequency_per_mm: np.ndarray  #: shape (K, 3)
    phase: np.ndarray  #: radians, shape (K,)

    @classmethod
    def draw(cls, rng: np.random.Generator, size_mm: float, *, waves: int = 10,
             wavelength_mm: tuple[float, float] = (45.0, 160.0)) -> Warp:
        """Random waves whose displacement is about `size_mm` (root mean square) and never folds.

        The amplitude of each wave is proportional to its length, which spreads the strain evenly.
        """
        direction = rng.standard_normal((waves, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = rng.uniform(*wavelength_mm, size=(waves, 1))
        amplitude = rng.standard_normal((waves, 3)) * length
        amplitude *= size_mm / max(np.sqrt((amplitude**2).sum() / 2), 1e-9)
        frequency = direction / length
        strain = 2 * np.pi * (np.linalg.norm(amplitude, axis=1) / length[:, 0]).sum()
        return cls(amplitude * min(1.0, 0.8 / max(strain, 1e-9)), frequency, rng.uniform(0, 2 * np.pi, waves))

    def displacement(self, points_mm: np.ndarray) -> np.ndarray:
        """Displacement in mm at points of shape (..., 3)."""
        total, dtype = np.zeros_like(points_mm), points_mm.dtype
        for amplitude, frequency, phase in zip(self.amplitude_mm, self.frequency_per_mm, self.phase, strict=True):
            wave = np.sin(points_mm @ (2 * np.pi * frequency).astype(dtype) + dtype.type(phase))
            total += wave[..., None] * amplitude.astype(dtype)
        return total


@dataclass(frozen=True)
class Pose:
    """Position of a subject's anatomy in one scan."""

    scanner_from_head: np.ndarray  #: rigid position of the head, shape (4, 4)
    template_from_head: np.ndarray  #: affine part of the subject's anatomy, shape (4, 4)
    warp: Warp  #: added after the affine part, in template mm

    def to_template(self, points_mm: np.ndarray) -> np.ndarray:
        """Template points (MNI mm) of scanner points of shape (..., 3)."""
        matrix = self.template_from_head @ np.linalg.inv(self.scanner_from_head)
        linear = transform(matrix.astype(points_mm.dtype), points_mm)
        return linear + self.warp.displacement(linear)

    def to_scanner(self, points_mm: np.ndarray, *, iterations: int = 50) -> np.ndarray:
        """Scanner points of template points: the warp is inverted by fixed-point iteration."""
        points_mm = np.asarray(points_mm, float)
        linear = points_mm
        for _ in range(iterations):
            linear = points_mm - self.warp.displacement(linear)
        return transform(self.scanner_from_head @ np.linalg.inv(self.template_from_head), linear)

    def moved(self, motion: np.ndarray) -> Pose:
        """Pose of the same head after the rigid `motion` (4 x 4, scanner mm)."""
        return Pose(motion @ self.scanner_from_head, self.template_from_head, self.warp)

    def as_json(self) -> dict:
        """The arrays as nested lists."""
        return {"scanner_from_head": self.scanner_from_head.tolist(),
                "template_from_head": self.template_from_head.tolist(),
                "warp": {name: values.tolist() for name, values in vars(self.warp).items()}}

    @classmethod
    def from_json(cls, content: dict) -> Pose:
        """Inverse of :meth:`as_json`."""
        warp = Warp(**{name: np.array(value) for name, value in content["warp"].items()})
        return cls(np.array(content["scanner_from_head"]), np.array(content["template_from_head"]), warp)
