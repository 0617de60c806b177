"""Which voxels are brain: the template's mask, refined by intensity, deepbet's network, or a program's mask.

All masks are brought to the template's grid, where sizes are comparable, and can be carried back. Two answers
that do not depend on each other (deepbet and the programs see no template) are compared: where they
disagree, somebody should look.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from nnunet_tv.brain.tools import TOOLS, tool_mask
from nnunet_tv.imaging.resample import resample_image, resample_mask
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.mutual_information import itk_image
from nnunet_tv.registration.template import load_template
from nnunet_tv.utils.errors import NnunetTVError

#: Choices of ``--brain``.
METHODS = ("auto", "deepbet", "template", *TOOLS, "none")
#: Dice of two answers below which the case is flagged.
AGREEMENT = 0.93
#: How far from the template's brain the refined mask may reach, and what is surely brain, in mm.
_REACH_MM, _CORE_MM = 5, 8
#: Darkest brain, as shares of the median of what is surely brain: of voxels that count by themselves, and of those
#: that touch one. The second brings back the cortex's rim; as a limit for all it leaks into coarse scans' skulls.
_DARKEST, _DARKEST_RIM = 0.45, 0.42


@dataclass(frozen=True)
class Brain:
    """A brain mask and how it came about.

    Attributes
    ----------
    mask : Volume
        uint8, 0 and 1, on the template's grid.
    method : str
        ``template``, ``deepbet`` or a program's name.
    metrics : dict of str to float
        ``volume_ml`` in the person's own size; ``agreement_dice`` where there were two answers.
    flags : tuple of str
        What looks odd.
    version : str
        Of the program behind it; empty for our own.
    """

    mask: Volume
    method: str
    metrics: dict[str, float]
    flags: tuple[str, ...] = ()
    version: str = ""


def check_method(method: str) -> str:
    """`method`, or for ``auto`` what it means here: ``deepbet`` if it is installed, else ``template``.

    Raises
    ------
    ValueError
        A method that is not in :data:`METHODS`.
    NnunetTVError
        deepbet or a program is asked for and not installed.
    """
    if method not in METHODS:
        raise ValueError(f"brain is one of {', '.join(METHODS)}, not {method!r}")
    if method in TOOLS:
        TOOLS[method].find()
    installed = importlib.util.find_spec("deepbet") is not None
    if method == "auto":
        return "deepbet" if installed else "template"
    if method == "deepbet" and not installed:
        raise NnunetTVError("--brain deepbet: the package deepbet is not installed: pip install deepbet, or use "
                            "--brain template")
    return method


def find_brain(t1: Volume, t1_to_mni: np.ndarray, *, method: str = "auto") -> Brain | None:
    """Brain mask of a T1w.

    Parameters
    ----------
    t1 : Volume
        Whole head, axes near RAS.
    t1_to_mni : ndarray, shape (4, 4)
        Scanner mm of `t1` to MNI mm.
    method : str
        One of :data:`METHODS`.

    Returns
    -------
    Brain or None
        None for ``none``.

    Raises
    ------
    ValueError, NnunetTVError
        As :func:`check_method` and :func:`~nnunet_tv.brain.tools.tool_mask`.
    """
    method = check_method(method)
    if method == "none":
        return None
    to_t1 = np.linalg.inv(t1_to_mni)
    refined = refined_template_mask(resample_image(t1, load_template().brain, world=to_t1))
    if method == "template":
        return _described(refined, "template", t1_to_mni, {}, ())
    own, version = _own_answer(method, t1)
    found = resample_mask(own, load_template().brain, world=to_t1)
    agreement = dice(found.data, refined.data)
    flags = () if agreement >= AGREEMENT else (
        f"the brain mask of {method} and the template's agree with a Dice of {agreement:.3f} only (expected at least "
        f"{AGREEMENT}): look at the mask, and choose with --brain",)
    return _described(found, method, t1_to_mni, {"agreement_dice": agreement}, flags, version)


def _own_answer(method: str, t1: Volume) -> tuple[Volume, str]:
    """The mask of deepbet or of a program on the T1w's grid, and its version."""
    if method in TOOLS:
        return tool_mask(TOOLS[method], t1), ""
    from nnunet_tv.brain.deepbet import deepbet_mask, deepbet_version

    return deepbet_mask(t1), deepbet_version()


def _described(mask: Volume, method: str, t1_to_mni: np.ndarray, metrics: dict[str, float], flags: tuple[str, ...],
               version: str = "") -> Brain:
    volume_ml = float(mask.data.sum()) / 1000 / abs(float(np.linalg.det(t1_to_mni[:3, :3])))
    if not 700 <= volume_ml <= 2300:
        flags = (*flags, f"the brain's volume is {volume_ml:.0f} ml (expected 700 to 2300): look at the mask")
    return Brain(mask, method, {"volume_ml": volume_ml, **metrics}, flags, version)


def refined_template_mask(t1: Volume) -> Volume:
    """The template's brain mask, refined by the T1w's own intensities.

    Parameters
    ----------
    t1 : Volume
        T1w on the template's grid.

    Returns
    -------
    Volume
        uint8. Within 5 mm of the template's brain: what is neither as dark as bone nor as bright as fat,
        measured against what is surely brain, opened by 2 mm (bridges to the scalp), the largest piece with
        its rim, closed by 5 mm (sulci), filled.
    """
    prior = sitk.Cast(itk_image(load_template().brain), sitk.sitkUInt8)
    image = itk_image(t1)
    reach = sitk.BinaryDilate(prior, [_REACH_MM] * 3, sitk.sitkBall)
    box = _bounding_box(reach, 4)
    prior, image, reach = (sitk.RegionOfInterest(one, *box) for one in (prior, image, reach))
    image = _without_bias(image, prior)
    values = sitk.GetArrayViewFromImage(image)
    core = values[sitk.GetArrayViewFromImage(sitk.BinaryErode(prior, [_CORE_MM] * 3, sitk.sitkBall)) > 0]
    middle, high = float(np.median(core)), 1.12 * float(np.percentile(core, 98))

    def brighter(share):
        return sitk.And(sitk.BinaryThreshold(image, share * middle, max(high, share * middle)), reach)

    mask = _largest(sitk.BinaryMorphologicalOpening(brighter(_DARKEST), [2] * 3, sitk.sitkBall))
    mask = sitk.Or(mask, sitk.And(sitk.BinaryDilate(mask, [1] * 3, sitk.sitkBall), brighter(_DARKEST_RIM)))
    mask = sitk.BinaryMorphologicalClosing(mask, [5] * 3, sitk.sitkBall)
    mask = sitk.BinaryFillhole(sitk.And(mask, reach))
    whole = sitk.Paste(sitk.Image([int(n) for n in t1.shape], sitk.sitkUInt8), mask, mask.GetSize(),
                       destinationIndex=box[1])
    return Volume(np.ascontiguousarray(sitk.GetArrayFromImage(whole).T), t1.affine)


def _bounding_box(mask: sitk.Image, margin: int) -> tuple[list[int], list[int]]:
    """Size and first index of the box around `mask`, within the image."""
    indices = np.argwhere(sitk.GetArrayViewFromImage(mask))[:, ::-1]
    low = np.maximum(indices.min(axis=0) - margin, 0)
    high = np.minimum(indices.max(axis=0) + margin + 1, mask.GetSize())
    return (high - low).tolist(), low.tolist()


def _without_bias(image: sitk.Image, prior: sitk.Image) -> sitk.Image:
    """N4 (Tustison et al., IEEE TMI 2010) at a quarter of the resolution."""
    filter_ = sitk.N4BiasFieldCorrectionImageFilter()
    filter_.SetMaximumNumberOfIterations([30, 20])
    small, small_mask = sitk.Shrink(image, [4] * 3), sitk.Shrink(prior, [4] * 3)
    try:
        filter_.Execute(sitk.Clamp(small, lowerBound=1e-3), small_mask)
    except RuntimeError:  # a flat image has no field
        return image
    return image / sitk.Exp(filter_.GetLogBiasFieldAsImage(image))


def _largest(mask: sitk.Image) -> sitk.Image:
    return sitk.RelabelComponent(sitk.ConnectedComponent(mask), sortByObjectSize=True) == 1


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice of two masks; 1 if both are empty."""
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2 * int(np.count_nonzero((first != 0) & (second != 0))) / total if total else 1.0


def clip_to_brain(image: Volume, mask: Volume | None, *, percentiles: tuple[float, float] = (0.5, 99.5)) -> Volume:
    """Intensities limited to percentiles of the brain; exactly 0 outside of it.

    Parameters
    ----------
    image : Volume
        Scan on the grid of the results.
    mask : Volume or None
        uint8 on the same grid. None: the percentiles are those of the whole volume, and all of it stays.
    percentiles : tuple of float
        Lower and upper, in per cent.

    Returns
    -------
    Volume
        float32. An empty mask gives an image of zeros.
    """
    inside = np.ones(image.shape, bool) if mask is None else mask.data > 0
    if not inside.any():
        return Volume(np.zeros(image.shape, np.float32), image.affine)
    low, high = np.percentile(image.data[inside], percentiles)
    data = np.where(inside, np.clip(image.data, low, high), 0).astype(np.float32)
    return Volume(data, image.affine)
