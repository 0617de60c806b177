"""Phantoms with known transforms for the tests of registration, and the truth in closed form."""

from functools import lru_cache

import numpy as np

from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.demo.phantom import CLINIC, PROTOCOLS, ClinicalOptions, Phantom, PhantomOptions, make_phantom
from nnunet_tv.demo.phantom import brain_points as brain_points_of
from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine
from nnunet_tv.imaging.volume import Volume, canonical


@lru_cache(maxsize=4)
def phantom(seed: int, *, protocol: int = 1, resolution_mm: float = 2.3, rotation_deg: float = 8.0,
            translation_mm: float = 15.0, max_side: int | None = 110) -> Phantom:
    """A patient; the FLAIR was taken after a motion of up to 3 degrees and 3 mm."""
    options = PhantomOptions(resolution_mm=resolution_mm, max_side=max_side, rotation_deg=rotation_deg,
                             translation_mm=translation_mm, motion_deg=3, motion_mm=3, marker=True)
    return make_phantom(np.random.default_rng([2024, seed]), patient=True, options=options,
                        protocol=list(PROTOCOLS)[protocol])


@lru_cache(maxsize=2)
def clinical_phantom(seed: int, *, resolution_mm: float = 1.8) -> Phantom:
    """A patient as a clinic scans: see :class:`~nnunet_tv.demo.phantom.ClinicalOptions`."""
    options = ClinicalOptions(resolution_mm=resolution_mm, marker=True)
    return make_phantom(np.random.default_rng([2025, seed]), patient=True, options=options, protocol=CLINIC)


def scan(volume: Volume) -> Volume:
    """As the chain passes it to a registration."""
    return canonical(Volume(volume.data.astype(np.float32), volume.affine))


def flair_to_t1(one: Phantom) -> Affine:
    """The true map."""
    return Affine(one.t1_pose.scanner_from_head @ np.linalg.inv(one.flair_pose.scanner_from_head), FLAIR, T1)


def brain_points(pose) -> np.ndarray:
    """Scanner mm of points all over the brain, shape (N, 3)."""
    return pose.to_scanner(_template_points())


def best_affine(one: Phantom) -> Affine:
    """T1w to template by least squares over the brain: the best that an affine registration can reach."""
    there = _template_points()
    here = np.c_[one.t1_pose.to_scanner(there), np.ones(len(there))]
    matrix = np.eye(4)
    matrix[:3] = np.linalg.lstsq(here, there, rcond=None)[0].T
    return Affine(matrix, T1, MNI)


def errors_mm(found: Affine, true: Affine, points_mm: np.ndarray) -> tuple[float, float]:
    """Mean and largest distance between two maps over points."""
    gaps = np.linalg.norm(found.apply(points_mm) - true.apply(points_mm), axis=-1)
    return float(gaps.mean()), float(gaps.max())


@lru_cache(maxsize=1)
def _template_points() -> np.ndarray:
    return brain_points_of(load_anatomy(1.5))
