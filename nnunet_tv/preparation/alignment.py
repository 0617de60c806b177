"""What a registration hands to the chain, and what a person can choose about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnunet_tv.imaging.volume import Volume


@dataclass(frozen=True)
class RegistrationOptions:
    """How scans are aligned and brains found; without meaning for the registration ``none``.

    Attributes
    ----------
    backend : str
        A key of :data:`nnunet_tv.registration.backends.BACKENDS`.
    brain : str
        One of :data:`nnunet_tv.brain.methods.METHODS`.
    """

    backend: str = "simpleitk"
    brain: str = "auto"


@dataclass(frozen=True)
class Alignment:
    """Where a case is worked on.

    Attributes
    ----------
    grid : Volume
        The grid that every output has (its values are not used).
    to_scan : dict of str to ndarray, shape (4, 4)
        For a scan's name: scanner coordinates of `grid` to those of the scan, in mm. A scan that is
        not named is where its own header puts it.
    notes : tuple of str
        What a reader of the conversion table should know.
    brain : Volume, optional
        uint8 mask on `grid`; images are 0 outside of it.
    clip : bool
        Whether intensities are limited to percentiles (of the brain; of all voxels without `brain`).
    flags : tuple of str
        What speaks against the alignment.
    flair_to_t1, t1_to_template : ndarray, shape (4, 4), optional
        What was registered: scanner or template mm of the first to those of the second.
    details : dict
        For the case's prep record: metrics, parameters, versions.
    """

    grid: Volume
    to_scan: Mapping[str, np.ndarray]
    notes: tuple[str, ...] = ()
    brain: Volume | None = None
    clip: bool = False
    flags: tuple[str, ...] = ()
    flair_to_t1: np.ndarray | None = None
    t1_to_template: np.ndarray | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
