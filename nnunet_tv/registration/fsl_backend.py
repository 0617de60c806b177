"""Registration with FSL's FLIRT (the paper's own), optional: FSL is installed by the user, not by pip."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.utils.errors import NnunetTVError


def find_flirt() -> str:
    """Path of ``flirt``: in ``$FSLDIR/bin``, else on ``PATH``.

    Raises
    ------
    NnunetTVError
        Not found; says how to get it.
    """
    folder = os.environ.get("FSLDIR")
    found = shutil.which("flirt", path=str(Path(folder) / "bin")) if folder else None
    found = found or shutil.which("flirt")
    if found is None:
        raise NnunetTVError("--registration fsl: flirt was found neither in $FSLDIR/bin nor on PATH: install FSL and "
                            "set FSLDIR, or use --registration simpleitk")
    return found


@dataclass(frozen=True)
class FSLBackend:
    """Backend ``fsl``; see :class:`~nnunet_tv.registration.backends.Backend`.

    FLIRT's own search is left out: it starts from the pose that all backends start from.
    """

    flirt: str = field(default_factory=find_flirt)
    name: str = "fsl"

    def version(self) -> str:
        """What FLIRT says of itself, or ``unknown``."""
        done = subprocess.run([self.flirt, "-version"], capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"

    def command(self, folder: Path, degrees_of_freedom: int) -> list[str]:
        """Command line that works on files in `folder`."""
        cost = "mutualinfo" if degrees_of_freedom == 6 else "corratio"
        return [self.flirt, "-in", f"{folder}/moving.nii.gz", "-ref", f"{folder}/fixed.nii.gz", "-refweight",
                f"{folder}/weight.nii.gz", "-init", f"{folder}/start.mat", "-omat", f"{folder}/result.mat",
                "-dof", str(degrees_of_freedom), "-cost", cost, "-nosearch"]

    def align(self, fixed: Volume, moving: Volume, *, degrees_of_freedom: int, fixed_mask: Volume,
              starts: Sequence[np.ndarray]) -> np.ndarray:
        """Points of `fixed` to points of `moving` (4 x 4) from the most promising of `starts`.

        Raises
        ------
        NnunetTVError
            FLIRT failed; its own words are passed on.
        """
        with tempfile.TemporaryDirectory(prefix="nnunet-tv-flirt-") as name:
            folder = Path(name)
            for volume, file in ((fixed, "fixed"), (moving, "moving"), (fixed_mask, "weight")):
                write_volume(Volume(volume.data.astype(np.float32), volume.affine), folder / f"{file}.nii.gz")
            start = flirt_from_world(np.linalg.inv(starts[0]), moving, fixed)
            np.savetxt(folder / "start.mat", start, fmt="%.10f")
            done = subprocess.run(self.command(folder, degrees_of_freedom), capture_output=True, text=True, check=False)
            result = folder / "result.mat"
            if done.returncode or not result.is_file():
                told = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
                raise NnunetTVError(f"flirt failed ({told}): check the installation of FSL, or use --registration "
                                    "simpleitk")
            return np.linalg.inv(world_from_flirt(np.loadtxt(result), moving, fixed))


def flirt_from_world(matrix: np.ndarray, moving: Volume, fixed: Volume) -> np.ndarray:
    """FLIRT's matrix (its mm of `moving` to its mm of `fixed`) for a matrix in RAS+ mm."""
    return _flirt_mm(fixed) @ np.linalg.inv(fixed.affine) @ matrix @ moving.affine @ np.linalg.inv(_flirt_mm(moving))


def world_from_flirt(matrix: np.ndarray, moving: Volume, fixed: Volume) -> np.ndarray:
    """Inverse of :func:`flirt_from_world`."""
    return fixed.affine @ np.linalg.inv(_flirt_mm(fixed)) @ matrix @ _flirt_mm(moving) @ np.linalg.inv(moving.affine)


def _flirt_mm(volume: Volume) -> np.ndarray:
    """Voxel indices to FLIRT's mm: scaled by the voxel size; x runs backwards in right-handed grids."""
    matrix = np.diag([*volume.spacing_mm, 1.0])
    if np.linalg.det(volume.affine[:3, :3]) > 0:
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        flip[0, 3] = volume.shape[0] - 1
        matrix = matrix @ flip
    return matrix
