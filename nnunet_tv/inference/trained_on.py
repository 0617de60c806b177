"""What a model was trained on, and whether a patient's scans were prepared in the same way.

A network that was trained on brains in MNI152 space gives plausible but worthless results on a head in its own pose,
and one that was trained on synthetic data gives them on every patient. ``nnunet-tv-convert`` writes its options and
the origin of the scans into ``dataset.json``, which nnU-Net copies into the model folder and beside its predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_tv.preparation.alignment import RegistrationOptions, check_options
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import read_json

UNKNOWN = ("the model does not record how its training scans were prepared (its dataset.json was not written by "
           "nnunet-tv-convert): make sure that the scans are prepared in the same way")
DEFAULT = "mni"
#: For places with little room: pictures, tables, and DICOM's texts of 64 characters.
SYNTHETIC = "Model trained on synthetic data: no meaning for a patient"
UNKNOWN_ORIGIN = ("the model does not record whether it was trained on scans of patients or on synthetic data (its "
                  "dataset.json has no such record)")


@dataclass(frozen=True)
class TrainedOn:
    """Preparation and origin of the training scans; None where the model does not record it."""

    registration: str | None = None  #: ``mni``, ``t1`` or ``none``
    brain: str | None = None  #: method of the brain mask; ``none`` is with skull
    synthetic: bool | None = None  #: whether any of the scans are synthetic
    data_set: str | None = None  #: name of the data set, only as far as its own description gives it

    @classmethod
    def of(cls, dataset_json: Mapping[str, Any]) -> TrainedOn:
        """From a model's ``dataset.json``."""
        content = dataset_json.get("conversion")
        if not isinstance(content, Mapping):
            return cls()
        synthetic = content.get("synthetic")
        # before this record, the converter gave every data set the name of the one whose layout it has
        name = dataset_json.get("name") if "synthetic" in content else None
        return cls(content.get("registration"), content.get("brain"),
                   synthetic if isinstance(synthetic, bool) else None, name if isinstance(name, str) else None)

    @classmethod
    def of_folder(cls, folder: Path) -> TrainedOn | None:
        """From the ``dataset.json`` in a folder of a model, a raw data set or predictions; None if there is none."""
        try:
            content = read_json(folder / "dataset.json")
        except (OSError, ValueError):
            return None
        return cls.of(content) if isinstance(content, Mapping) else None

    @property
    def warning(self) -> str:
        """What every output of the model must carry; empty for a model that was not trained on synthetic data."""
        if not self.synthetic:
            return ""
        name = f" ({self.data_set})" if self.data_set else ""
        return (f"This model was trained on synthetic data{name}, not on scans of patients: what it marks and what it "
                "leaves unmarked has no meaning for a patient.")

    def settings(self, *, space: str | None, backend: str, brain: str | None) -> tuple[str, RegistrationOptions]:
        """Space and registration options for scans of this model; None stands for the model's own.

        An option that contradicts the model or a backend that is not installed is a :class:`NnunetTVError`.
        """
        space, brain = space or self.registration or DEFAULT, brain or self.brain or RegistrationOptions().brain
        if self.registration not in (None, space):
            raise NnunetTVError(f"--space {space}: the model was trained on scans prepared with --space "
                                f"{self.registration}: leave the option out, or use another model")
        if space != "none" and self._skull_differs(brain):
            raise NnunetTVError(f"--brain {brain}: the model was trained on scans {_skull(self.brain)} (--brain "
                                f"{self.brain}): leave the option out, or use another model")
        options = RegistrationOptions(backend, brain)
        return space, options if space == "none" else check_options(options)

    def check(self, record: Provenance) -> None:
        """Refuse a prepared case that is unlike the training scans with a :class:`CaseError`."""
        if self.registration not in (None, record.registration):
            raise CaseError(record.case, f"prepared with --space {record.registration}, but the model was trained on "
                            f"--space {self.registration}: prepare the case again, or use another model")
        brain = record.brain_method
        if record.registration != "none" and brain and self._skull_differs(brain):
            raise CaseError(record.case, f"prepared {_skull(brain)}, but the model was trained on scans "
                            f"{_skull(self.brain)}: prepare the case again with --brain {self.brain}")

    def _skull_differs(self, brain: str) -> bool:
        return None not in (self.registration, self.brain) and (brain == "none") != (self.brain == "none")


def _skull(brain: str | None) -> str:
    return "with skull" if brain == "none" else "without skull"
