"""How a model's training scans were prepared, and whether a patient's are alike.

A network that learned brains in MNI152 sees a head in its own pose as something it never met: its answer would look
like any other, and be worth nothing. ``nnunet-tv-convert`` writes its choices into ``dataset.json``, which nnU-Net
copies into the model folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnunet_tv.preparation.alignment import RegistrationOptions, check_options
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.errors import CaseError, NnunetTVError

UNKNOWN = ("the model does not say how its training scans were prepared (its dataset.json was not written by "
           "nnunet-tv-convert): see to it that these were prepared alike")
DEFAULT = "mni"


@dataclass(frozen=True)
class TrainedOn:
    """Preparation of the training scans; None where the model does not say.

    Attributes
    ----------
    registration : str or None
        ``mni``, ``t1`` or ``none``.
    brain : str or None
        Method of the brain mask; ``none`` is with skull.
    """

    registration: str | None = None
    brain: str | None = None

    @classmethod
    def of(cls, dataset_json: Mapping[str, Any]) -> TrainedOn:
        """What a model's ``dataset.json`` says."""
        told = dataset_json.get("conversion")
        told = told if isinstance(told, Mapping) else {}
        return cls(told.get("registration"), told.get("brain"))

    def settings(self, *, space: str | None, backend: str, brain: str | None) -> tuple[str, RegistrationOptions]:
        """Registration and choices for scans of this model; what a person leaves out is the model's.

        Raises
        ------
        NnunetTVError
            The person asks for something else than the model was trained on; a backend is not installed.
        """
        space = space or self.registration or DEFAULT
        brain = brain or self.brain or RegistrationOptions().brain
        if self.registration not in (None, space):
            raise NnunetTVError(f"--space {space}: the model was trained on scans prepared with --space "
                                f"{self.registration}: leave the option out, or use another model")
        if self.registration and space != "none" and self._skull_differs(brain):
            raise NnunetTVError(f"--brain {brain}: the model was trained on scans {_skull(self.brain)} (--brain "
                                f"{self.brain}): leave the option out, or use another model")
        choices = RegistrationOptions(backend, brain)
        return space, choices if space == "none" else check_options(choices)

    def check(self, record: Provenance) -> None:
        """Refuse a prepared case that is unlike the training scans.

        Raises
        ------
        CaseError
            Says how it was prepared and how to prepare it.
        """
        if self.registration not in (None, record.registration):
            raise CaseError(record.case, f"prepared with --space {record.registration}, but the model was trained "
                            f"on --space {self.registration}: prepare the case again, or use another model")
        if record.registration == "none":
            return
        brain = record.brain_method
        if self.registration and brain and self._skull_differs(brain):
            raise CaseError(record.case, f"prepared {_skull(brain)}, but the model was trained on scans "
                            f"{_skull(self.brain)}: prepare the case again with --brain {self.brain}")

    def _skull_differs(self, brain: str) -> bool:
        return self.brain is not None and (brain == "none") != (self.brain == "none")


def _skull(brain: str | None) -> str:
    return "with skull" if brain == "none" else "without skull"
