"""Registration with greedy (Yushkevich), optional: ``pip install picsl_greedy``."""

import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunet_tv.imaging.sampling import at_resolution, itk_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.external import package_version

#: greedy's matrices are in RAS mm, and the headers of its images in ITK's LPS.
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class GreedyBackend:
    """Backend ``greedy``; see :class:`~nnunet_tv.registration.registry.Backend`."""

    name: str = "greedy"

    def __post_init__(self) -> None:
        if importlib.util.find_spec("picsl_greedy") is None:
            raise NnunetTVError("--registration-backend greedy: the package picsl_greedy is not installed: pip install "
                                "picsl_greedy, or use --registration-backend simpleitk")

    def version(self) -> str:
        return package_version("picsl_greedy")

    def align(self, fixed: Volume, moving: Volume, *, degrees_of_freedom: int, fixed_mask: Volume,
              starts: Sequence[np.ndarray]) -> np.ndarray:
        """Refine the first of `starts`."""
        from picsl_greedy import Greedy3D

        mask = at_resolution(Volume(fixed_mask.data.astype(np.float32), fixed_mask.affine), 1.0)
        greedy = Greedy3D()
        with tempfile.TemporaryDirectory(prefix="nnunet-tv-greedy-") as folder:  # -ia takes no array from memory
            start = Path(folder, "start.mat")
            np.savetxt(start, starts[0], fmt="%.10f")
            # fixed, moving, mask and result stand for objects in memory
            greedy.execute(f"-d 3 -a -dof {degrees_of_freedom} -m NMI -i fixed moving -gm mask -ia {start} -o result "
                           "-n 100x60x20 -threads 1 -V 0",
                           fixed=_lps(at_resolution(fixed, 1.0)), moving=_lps(at_resolution(moving, 1.0)),
                           mask=_lps(Volume((mask.data > 0.5).astype(np.float32), mask.affine)), result=None)
        return np.asarray(greedy["result"], float)


def _lps(volume: Volume) -> sitk.Image:
    """SimpleITK image with a header as ITK reads it from NIfTI."""
    return itk_image(Volume(volume.data, _LPS @ volume.affine))
