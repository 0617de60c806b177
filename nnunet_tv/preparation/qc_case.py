"""A prepared case's picture and numbers, from what the chain gave: the same for patients and for the public data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.volume import Volume, read_volume
from nnunet_tv.preparation.chain import PreparedCase
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.preparation.qc import draw_qc
from nnunet_tv.registration.template import load_template


def draw_prepared(prepared: PreparedCase, channels: Mapping[str, str | Path], output: str | Path) -> None:
    """Draw :func:`~nnunet_tv.preparation.qc.draw_qc`'s picture of a prepared case.

    Parameters
    ----------
    prepared : PreparedCase
        Of :func:`~nnunet_tv.preparation.chain.prepare_case`.
    channels : dict of str to Path
        The scans it was made from, T1w first.
    output : Path
        PNG, written atomically.
    """
    record = prepared.record
    t1, flair = _whole_heads(channels, prepared)
    template = load_template().t1 if record.registration == "mni" else None
    draw_qc(record.case, t1, flair, output, mask=_brain(prepared), template=template,
            lines=[_orientations(record), *(f"! {flag}" for flag in record.flags)])


def numbers(details: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Every number in the nested ``metrics`` of a record, by its path."""
    found: dict[str, float] = {}
    for key, value in details.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= numbers(value, f"{name} ")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = float(value)
    return found


def _whole_heads(channels: Mapping[str, str | Path], prepared: PreparedCase) -> list[Volume]:
    """The scans on the grid of the results with all that was cut off: a mask is judged by what it left out."""
    if _brain(prepared) is None:
        return list(prepared.images.values())
    record = prepared.record
    return [resample_image(read_volume(path, case=record.case), prepared.images[name],
                           world=np.linalg.inv(record.to_grid(name))) for name, path in channels.items()]


def _brain(prepared: PreparedCase) -> np.ndarray | None:
    """The brain mask, from what was left when all else became 0; None where nothing was cut off."""
    if prepared.record.brain_method in (None, "none"):
        return None
    kept = np.any([image.data != 0 for image in prepared.images.values()], axis=0)
    return ndimage.binary_fill_holes(kept)


def _orientations(record: Provenance) -> str:
    found = ", ".join(f"{name} {''.join(nib.aff2axcodes(grid.matrix()))}" for name, grid in record.sources.items())
    return f"axes of the scans as they came: {found}; registration: {record.registration}"
