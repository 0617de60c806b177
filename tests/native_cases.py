"""Patients in closed form: a ball of a brain, a lesion and a marker on known sides, on any pair of scan grids."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from pandas import read_csv
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.resample import resample_image, resample_mask
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.files import sha256

#: Centres in template mm, RAS+: a lesion in the patient's left frontal lobe, another on the right, behind.
LEFT_LESION, RIGHT_LESION = (-32.0, 28.0, 20.0), (30.0, -30.0, 26.0)
#: Settings of :func:`scan_grid`.
ORIENTATIONS = {"RAS": {}, "LPS": {"codes": "LPS"}, "LAS": {"codes": "LAS"}, "PSR": {"codes": "PSR"},
                "oblique": {"codes": "LPS", "oblique_deg": (14, -9, 21)}}
COARSE, FINE = (Grid(shape, nib.affines.from_matvec(np.eye(3) * spacing, (-90, -126, -72)))
                for shape, spacing in (((61, 73, 61), 3.0), ((121, 145, 121), 1.5)))


def turned(degrees, shift_mm=(0, 0, 0), scale=1.0):
    """Rotation about x, then -y, then z, with a shift and a scale; shape (4, 4)."""
    x, y, z = degrees
    return nib.affines.from_matvec(scale * Rotation.from_euler("xyz", (x, -y, z), degrees=True).as_matrix(), shift_mm)


def scan_grid(codes="RAS", spacing_mm=(3.0, 3.0, 3.0), size_mm=180.0, oblique_deg=(0, 0, 0), centre_mm=(0, 0, 0)):
    """Grid around `centre_mm` whose stored axes point to `codes` (before the oblique turn)."""
    spacing = np.asarray(spacing_mm, float)
    shape = np.ceil(size_mm / spacing).astype(int)
    directions = nib.orientations.axcodes2ornt(codes).astype(int)
    axes = np.zeros((3, 3))
    axes[directions[:, 0], range(3)] = directions[:, 1]
    axes = turned(oblique_deg)[:3, :3] @ axes @ np.diag(spacing)
    affine = nib.affines.from_matvec(axes, np.asarray(centre_mm) - axes @ ((shape - 1) / 2))
    return Grid(tuple(int(side) for side in shape), affine)


@dataclass(frozen=True)
class Patient:
    """A record, the two scans and the lesion mask on each of them."""

    record: Provenance
    scans: dict[str, Volume]
    masks: dict[str, Volume]

    def prepared_mask(self, channel="T1w"):
        """The lesion on the prepared grid."""
        return resample_mask(self.masks[channel], self.record.grid, world=self.record.to_grid(channel).inverse())

    def write(self, folder: Path) -> None:
        """Write the scans, and what nnunet-tv-prepare leaves behind."""
        scans = self.record.details.setdefault("scans", {})
        for number, (channel, scan) in enumerate(self.scans.items()):
            path = folder.parent / "scans" / f"{self.record.case}_{channel}.nii.gz"
            write_volume(scan, path)
            scans[channel] = {"file": str(path), "sha256": sha256(path)}
            prepared = resample_image(scan, self.record.grid, world=self.record.to_grid(channel).inverse())
            write_volume(prepared, folder / f"{self.record.case}_{number:04d}.nii.gz")
        self.record.write(folder / f"{self.record.case}.prep.json")


def like(grid):
    return Volume(np.zeros(grid.shape, np.uint8), grid.affine)


def patient(case="sub-1", *, registration="mni", t1=None, flair=None, lesions=(LEFT_LESION,), radius=12.0,
            flags=(), seed=0, template=COARSE):
    """A patient in the given pose; lesions are bright in the FLAIR (180 against 100)."""
    rng = np.random.default_rng(seed)
    t1, flair = t1 or scan_grid(), flair or scan_grid(spacing_mm=(2.5, 2.5, 4.0))
    t1_to_template, flair_to_t1 = np.eye(4), np.eye(4)
    if registration != "none":
        flair_to_t1 = turned((2, -3, 4), (1.5, -2, 3))
    if registration == "mni":
        t1_to_template = turned((6, -4, 9), (-3, 5, 4), scale=1.04)
    ras = nib.as_closest_canonical(nib.Nifti1Image(np.zeros(t1.shape, np.uint8), t1.affine))
    grid = {"mni": template, "t1": Grid(ras.shape, ras.affine), "none": t1}[registration]
    record = Provenance(case, registration, grid, {"T1w": t1, "FLAIR": flair}, Affine(flair_to_t1, FLAIR, T1),
                        Affine(t1_to_template, T1, MNI), flags=list(flags))
    scans, masks = {}, {}
    for channel, source in record.sources.items():
        world = record.to_grid(channel)
        where = world.apply(source.to_mm(np.moveaxis(np.indices(source.shape), 0, -1)))
        brain = np.linalg.norm(where / (66, 78, 62), axis=-1) <= 1
        distances = [np.linalg.norm(where - centre, axis=-1) for centre in lesions]
        lesion = np.min([np.full(source.shape, np.inf), *distances], axis=0) <= radius
        data = brain * (100 + 3 * rng.standard_normal(source.shape) + 80 * (lesion & (channel == "FLAIR")))
        scans[channel] = Volume(data.astype(np.float32), source.affine)
        masks[channel] = Volume(lesion.astype(np.uint8), source.affine)
    return Patient(record, scans, masks)


def centre_mm(mask, threshold=0.5):
    """Centre of a mask in scanner mm."""
    return mask.grid.to_mm(np.argwhere(mask.data > threshold).mean(axis=0))


def csv_rows(path):
    """Rows of a table, all cells as texts."""
    return read_csv(path, dtype=str, keep_default_na=False).to_dict("records")


def dice(first, second):
    return 2 * np.logical_and(first, second).sum() / (first.sum() + second.sum())
