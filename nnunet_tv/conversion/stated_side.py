"""The side of the lesion that the source states, such as from the clinical record, against the side of its mask."""

import numpy as np

from nnunet_tv.brain.sides import LEFT, RIGHT, side_of
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.utils.errors import CaseError


def check_side(case: str, label: Volume, stated: str, *, space: str) -> tuple[str, ...]:
    """Notes; an error where the lesion of `label`, on the template's grid, is on the other side than `stated`.

    Without the template (`space` other than ``mni``) the middle of the head is not known, and nothing is compared.
    """
    if not stated:
        return ()
    if space != "mni":
        return (f"side {stated}: not compared with the mask, which needs --space mni",)
    points = label.grid.to_mm(np.argwhere(label.data).astype(float))
    found = side_of(points)
    if found == {LEFT: RIGHT, RIGHT: LEFT}[stated]:
        raise CaseError(case, f"the lesion is stated to be {stated}, but its mask is {found} (centre x "
                        f"{points[:, 0].mean():.0f} mm in MNI152): either the record, or the mask, or the header of "
                        "the scan has the wrong side; look at the original images, and correct what is wrong")
    return (f"side {stated}, as the mask",) if found == stated else (
        f"side {stated}, but the mask is on the {found}: look at it",)
