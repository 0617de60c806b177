"""Registration with FSL's FLIRT, as in the paper; FSL is installed by the user, not by pip."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.external import error_text, find_program


def find_flirt() -> str:
    """Path of ``flirt``: in ``$FSLDIR/bin``, else on ``PATH``; a `NnunetTVError` with advice where there is none."""
    found = find_program("flirt", "FSLDIR")
    if found is None:
        raise NnunetTVError("--registration-backend fsl: flirt was found neither in $FSLDIR/bin nor on PATH: install "
                            "FSL and set FSLDIR, or use --registration-backend simpleitk")
    return found


@dataclass(frozen=True)
class FSLBackend:
    """Backend ``fsl``; see :class:`~nnunet_tv.registration.registry.Backend`.

    FLIRT's own search is disabled: it starts from the first pose, as the other backends do.
    """

    flirt: str = field(default_factory=find_flirt)
    name: str = "fsl"

    def version(self) -> str:
        done = subprocess.run([self.flirt, "-version"], capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"

    def align(self, fixed: Volume, moving: Volume, *, degrees_of_freedom: int, fixed_mask: Volume,
              starts: Sequence[np.ndarray]) -> np.ndarray:
        """Refine the first of `starts`."""
        with tempfile.TemporaryDirectory(prefix="nnunet-tv-flirt-") as name:
            folder = Path(name)
            for volume, file in ((fixed, "fixed"), (moving, "moving"), (fixed_mask, "weight")):
                write_volume(Volume(volume.data.astype(np.float32), volume.affine), folder / f"{file}.nii.gz")
            start = flirt_from_world(np.linalg.inv(starts[0]), moving.grid, fixed.grid)
            np.savetxt(folder / "start.mat", start, fmt="%.10f")
            cost = "mutualinfo" if degrees_of_freedom == 6 else "corratio"
            done = subprocess.run(
                [self.flirt, "-in", f"{folder}/moving.nii.gz", "-ref", f"{folder}/fixed.nii.gz", "-refweight",
                 f"{folder}/weight.nii.gz", "-init", f"{folder}/start.mat", "-omat", f"{folder}/result.mat",
                 "-dof", str(degrees_of_freedom), "-cost", cost, "-nosearch"],
                capture_output=True, text=True, check=False)
            if done.returncode or not (result := folder / "result.mat").is_file():
                raise NnunetTVError(f"flirt failed ({error_text(done)}): check the installation of FSL, or use "
                                    "--registration-backend simpleitk")
            return np.linalg.inv(world_from_flirt(np.loadtxt(result), moving.grid, fixed.grid))


def flirt_from_world(matrix: np.ndarray, moving: Grid, fixed: Grid) -> np.ndarray:
    """FLIRT's matrix (its mm of `moving` to its mm of `fixed`) for a matrix in RAS+ mm."""
    return _flirt_mm(fixed) @ np.linalg.inv(fixed.affine) @ matrix @ moving.affine @ np.linalg.inv(_flirt_mm(moving))


def world_from_flirt(matrix: np.ndarray, moving: Grid, fixed: Grid) -> np.ndarray:
    """Inverse of :func:`flirt_from_world`."""
    return fixed.affine @ np.linalg.inv(_flirt_mm(fixed)) @ matrix @ _flirt_mm(moving) @ np.linalg.inv(moving.affine)


def _flirt_mm(grid: Grid) -> np.ndarray:
    """Voxel indices to FLIRT's mm: scaled by the voxel size; x is reversed in right-handed grids."""
    matrix = np.diag([*grid.spacing_mm, 1.0])
    if np.linalg.det(grid.affine[:3, :3]) > 0:
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        flip[0, 3] = grid.shape[0] - 1
        matrix = matrix @ flip
    return matrix
