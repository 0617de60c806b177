"""The registration backends, one row each; importing this module loads none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from nnunet_tv.imaging.volume import Volume


class Backend(Protocol):
    """An engine that aligns two scans."""

    name: str

    def version(self) -> str:
        """Version of the program behind it."""

    def align(self, fixed: Volume, moving: Volume, *, degrees_of_freedom: int, fixed_mask: Volume,
              starts: Sequence[np.ndarray]) -> np.ndarray:
        """Refine a pose, a 4 x 4 matrix from points of `fixed` to points of `moving`, RAS+ mm.

        Both scans have axes near RAS and are compared in `fixed_mask`; the degrees of freedom are 6 (rigid) or 12
        (affine); `starts` are poses of as many degrees of freedom, most promising first.
        """


@dataclass(frozen=True)
class BackendRow:
    """A backend in the registry."""

    key: str  #: value of ``--registration-backend``; its module is ``KEY_backend``
    factory: str  #: class in it; raises an `NnunetTVError` with advice where its program is not installed
    help: str  #: one line, with what must be installed


BACKENDS = {row.key: row for row in (
    BackendRow("simpleitk", "SimpleITKBackend", "Mattes mutual information"),
    BackendRow("fsl", "FSLBackend", "FLIRT, as in the paper (needs FSL)"),
    BackendRow("greedy", "GreedyBackend", "of the PICSL group (needs the package picsl_greedy)"),
)}


def get_backend(key: str) -> Backend:
    """Backend by its key.

    Raises a `ValueError` for an unknown key, and a `NnunetTVError` with advice where its program is not installed.
    """
    if key not in BACKENDS:
        raise ValueError(f"registration backend is one of {', '.join(BACKENDS)}, not {key!r}")
    return getattr(import_module(f"nnunet_tv.registration.{key}_backend"), BACKENDS[key].factory)()
