"""A folder as a lab has it: scans and masks of patients, of controls and of a new patient, with plain names."""

from pathlib import Path

import numpy as np

from nnunet_tv.demo.lesion import Lesion
from nnunet_tv.demo.phantom import PROTOCOLS, Phantom, PhantomOptions, make_phantom
from nnunet_tv.imaging.volume import write_volume

#: Coarse, so that a preparation takes seconds; lesions large enough to survive it.
OPTIONS = PhantomOptions(resolution_mm=3.0, lesion_radius_mm=(14.0, 18.0))


def write_lab(folder: Path, *, patients: int = 4, controls: int = 1) -> dict[str, Lesion]:
    """Write ``patients/patNN``, ``controls/conNN`` and ``new/new01``; the lesions by case.

    Every patient has T1w.nii.gz, FLAIR.nii.gz and lesion.nii.gz, the mask on the FLAIR's grid, and in turn the
    orientations of the protocols. Sides alternate, beginning with the left.
    """
    lesions = {}
    for number in range(patients):
        phantom = _with_lesion_on("LR"[number % 2], number)
        _write(phantom, folder / "patients" / f"pat{number + 1:02d}")
        lesions[f"pat{number + 1:02d}"] = phantom.lesion
    for number in range(controls):
        phantom = make_phantom(np.random.default_rng([1, number]), patient=False, options=OPTIONS)
        _write(phantom, folder / "controls" / f"con{number + 1:02d}")
    new = _with_lesion_on("L", 100)
    _write(new, folder / "new" / "new01", mask=False)
    return {**lesions, "new01": new.lesion}


def _with_lesion_on(side: str, number: int) -> Phantom:
    protocol = list(PROTOCOLS)[number % len(PROTOCOLS)]
    return next(phantom for attempt in range(100) if (phantom := make_phantom(
        np.random.default_rng([number, attempt]), patient=True, options=OPTIONS, protocol=protocol)).lesion.hemisphere
        == side)


def _write(phantom: Phantom, folder: Path, *, mask: bool = True) -> None:
    write_volume(phantom.t1, folder / "T1w.nii.gz")
    write_volume(phantom.flair, folder / "FLAIR.nii.gz")
    if mask and phantom.roi is not None:
        write_volume(phantom.roi, folder / "lesion.nii.gz")
