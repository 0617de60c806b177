"""The brain mask of a case by the chosen method, compared with the template's.

Masks are on the template's grid, where volumes are comparable. The other methods do not use the template, so a
disagreement between the two masks flags the case for review.
"""

from dataclasses import dataclass

import numpy as np

from nnunet_tv.brain.registry import AUTO, get_method
from nnunet_tv.imaging.affine import Affine
from nnunet_tv.imaging.volume import Volume

#: Dice of two methods' masks below which the case is flagged.
AGREEMENT = 0.93
#: Intensities are limited to these percentiles of the brain.
PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Brain:
    """A brain mask and its checks."""

    mask: Volume  #: uint8, 0 and 1, on the template's grid
    method: str  #: a key of :data:`~nnunet_tv.brain.registry.BRAIN_METHODS`
    metrics: dict[str, float]  #: ``volume_ml`` of the person's brain; ``agreement_dice`` with the template's mask
    flags: tuple[str, ...] = ()  #: signs that the mask is wrong
    version: str = ""  #: of the program behind it


def resolve_method(method: str) -> str:
    """`method`, with ``auto`` replaced by ``deepbet`` if it is installed, else by ``template``.

    Raises a `ValueError` for an unknown method, and a `NnunetTVError` with advice where its program is not installed.
    """
    if method == AUTO:
        from nnunet_tv.brain.deepbet import installed

        return "deepbet" if installed() else "template"
    get_method(method).check()
    return method


def find_brain(t1: Volume, t1_to_mni: Affine, *, method: str = AUTO) -> Brain | None:
    """Brain mask of a T1w of a whole head with axes near RAS; None for the method ``none``.

    Raises as :func:`resolve_method`, and a `NnunetTVError` where the program behind the method failed.
    """
    method = resolve_method(method)
    if (mask := get_method(method).find(t1, t1_to_mni)) is None:
        return None
    metrics, flags = {"volume_ml": float(mask.data.sum()) / 1000 / t1_to_mni.volume_ratio}, []
    if method != "template":
        reference = get_method("template").find(t1, t1_to_mni)
        assert reference is not None
        agreement = metrics["agreement_dice"] = dice(mask.data, reference.data)
        if agreement < AGREEMENT:
            flags.append(f"the brain mask of {method} and the template's agree with a Dice of {agreement:.3f} only "
                         f"(expected at least {AGREEMENT}): look at the mask, and choose with --brain")
    if not 700 <= metrics["volume_ml"] <= 2300:
        flags.append(f"the brain's volume is {metrics['volume_ml']:.0f} ml (expected 700 to 2300): look at the mask")
    return Brain(mask, method, metrics, tuple(flags), get_method(method).version())


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice of two masks; 1 if both are empty."""
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2 * int(np.count_nonzero((first != 0) & (second != 0))) / total if total else 1.0


def clip_to_brain(image: Volume, mask: Volume | None) -> Volume:
    """Intensities limited to percentiles of the brain, and exactly 0 outside of it; float32.

    Without a mask the percentiles are those of the whole volume, and all of it is kept; an empty mask gives zeros.
    """
    inside = np.ones(image.shape, bool) if mask is None else mask.data > 0
    if not inside.any():
        return Volume(np.zeros(image.shape, np.float32), image.affine)
    low, high = np.percentile(image.data[inside], PERCENTILES)
    data = np.where(inside, np.clip(image.data, low, high), 0).astype(np.float32)
    return Volume(data, image.affine)
