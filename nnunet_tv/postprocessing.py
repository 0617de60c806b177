"""The cluster filter of the TV paper (4.4), as a hook of nnU-Net's ``nnUNetv2_apply_postprocessing``.

Known cost: the opening erases every sheet that is only two voxels thick, and thickened cortex, the shape of
focal cortical dysplasia, is such a sheet. Switch it off (``opening=False``) where that matters more than
false clusters.
"""

from __future__ import annotations

import math
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from nnunet_tv import __version__
from nnunet_tv.imaging.clusters import CONNECTIVITIES, bounding_box, label_clusters, separate_boxes
from nnunet_tv.imaging.volume import Volume, read_mask, write_volume
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import atomic, remove_partial, write_json
from nnunet_tv.utils.parallel import each_case

#: Ending of the files that nnU-Net writes and we filter.
ENDING = ".nii.gz"
DEFAULTS: dict[str, Any] = {
    "min_voxels": 50, "opening": True, "fill_holes": True, "connectivity": 26, "min_mm3": None,
    "voxel_mm3": None, "opening_iterations": 1, "hole_structure": 5,
}


def remove_small_clusters(
    segmentation: np.ndarray,
    *,
    min_voxels: int = 50,
    opening: bool = True,
    fill_holes: bool = True,
    connectivity: int = 26,
    min_mm3: float | None = None,
    voxel_mm3: float | None = None,
    opening_iterations: int = 1,
    hole_structure: int = 5,
) -> np.ndarray:
    """Open, fill holes, and drop clusters smaller than a size.

    1. Binary opening (erosion, then dilation) with the 6-neighbour structuring element. The paper's words
       "dilation followed by erosion" are a closing; the implementations open, and so do we.
    2. Hole filling as ``scipy.ndimage.binary_fill_holes(structure=ones((5, 5, 5)))``: background that cannot
       be reached from outside in steps of two voxels becomes foreground (walls thinner than two voxels leak).
    3. Connected components; those with fewer than `min_voxels` voxels are removed (the paper: fewer than 50,
       so 50 stays).

    Known cost: step 1 erases every sheet of two voxels' thickness, the shape of thickened cortex.

    Parameters
    ----------
    segmentation : ndarray, shape (Z, Y, X), any real dtype
        Labels, 0 background and 1 lesion; nnU-Net hands over float32 or integers. Never changed. The result
        does not depend on the order of the axes.
    min_voxels : int
        Smallest cluster that stays; 0 or 1 keeps all. Not used when `min_mm3` is given.
    opening, fill_holes : bool
        Whether steps 1 and 2 are done.
    connectivity : {26, 18, 6}
        Which neighbours make one cluster: faces (6), with edges (18), with corners (26).
    min_mm3, voxel_mm3 : float, optional
        Smallest cluster that stays in mm³, and the volume of a voxel in mm³ (the hook sees no spacing).
    opening_iterations : int
        Erosions, then dilations, of step 1.
    hole_structure : int
        Side of the cube of step 2; odd.

    Returns
    -------
    ndarray, shape and dtype of `segmentation`
        0 and 1. Step 2 may add voxels, the others only remove.

    Raises
    ------
    ValueError
        Settings out of range; `min_mm3` without `voxel_mm3`; not a 3D array; labels other than 0 and 1; an
        axis of fewer than three voxels with `opening`, which would erase everything.
    """
    smallest = _smallest_cluster(
        min_voxels=min_voxels, connectivity=connectivity, min_mm3=min_mm3, voxel_mm3=voxel_mm3,
        opening_iterations=opening_iterations, hole_structure=hole_structure,
    )
    segmentation = np.asarray(segmentation)
    foreground = _foreground(segmentation, thinnest=2 * opening_iterations + 1 if opening else 1)
    reach = hole_structure // 2
    result = np.zeros_like(segmentation)
    for box in separate_boxes(foreground, gap=max(reach, 1)):
        mask = foreground[box]
        if opening:
            mask = ndimage.binary_opening(mask, iterations=opening_iterations)
        if fill_holes:
            mask = _fill_holes(mask, reach)
        if smallest > 1:
            labels, _ = label_clusters(mask, connectivity=connectivity)
            stays = np.bincount(labels.ravel()) >= smallest
            stays[0] = False
            mask = stays[labels]
        result[box] = mask
    return result


def check_settings(**settings: Any) -> dict[str, Any]:
    """All settings of :func:`remove_small_clusters`, `settings` over the defaults; ValueError if unusable."""
    unknown = sorted(set(settings) - set(DEFAULTS))
    if unknown:
        raise ValueError(f"unknown settings {', '.join(unknown)}; known are {', '.join(DEFAULTS)}")
    complete = {**DEFAULTS, **settings}
    _smallest_cluster(**{name: complete[name] for name in complete if name not in ("opening", "fill_holes")})
    return complete


def describe(**settings: Any) -> list[str]:
    """The filter's steps in words, one line each."""
    complete = check_settings(**settings)
    steps = []
    if complete["opening"]:
        times = complete["opening_iterations"]
        steps.append("binary opening (erosion, then dilation), 6-neighbour structuring element, "
                     f"{times} iteration{'s' if times > 1 else ''}; erases sheets two voxels thick")
    if complete["fill_holes"]:
        side = complete["hole_structure"]
        steps.append(f"hole filling with a {side}×{side}×{side} structure")
    if complete["min_mm3"] is not None:
        size = f"{complete['min_mm3']:g} mm³"
    else:
        size = f"{complete['min_voxels']} voxels"
    steps.append(f"clusters smaller than {size} removed ({complete['connectivity']}-connectivity)")
    return steps


def write_postprocessing(folder: str | Path, **settings: Any) -> Path:
    """Write ``postprocessing.pkl`` (for nnU-Net) and ``postprocessing.json`` (for people) into `folder`.

    Parameters
    ----------
    folder : Path
        A model folder; made where missing.
    **settings
        As :func:`remove_small_clusters`; what is not given has its default, and all are written.

    Returns
    -------
    Path
        The pickle: ``(list of functions, list of keyword arguments)``, for ``-pp_pkl_file``.

    Raises
    ------
    ValueError
        Unknown or unusable settings, among them `min_mm3` without `voxel_mm3`.
    """
    complete = check_settings(**settings)
    path = Path(folder) / "postprocessing.pkl"
    with atomic(path) as temporary:
        temporary.write_bytes(pickle.dumps(([remove_small_clusters], [complete])))
    write_json({
        "postprocessing_fns": [remove_small_clusters.__name__],
        "postprocessing_kwargs": [complete],
        "steps": describe(**complete),
        "module": remove_small_clusters.__module__,
        "nnunet_tv": __version__,
    }, path.with_suffix(".json"))
    return path


def filter_volume(volume: Volume, **settings: Any) -> Volume:
    """:func:`remove_small_clusters` on a volume, whose voxel size counts when `min_mm3` comes alone."""
    if settings.get("min_mm3") is not None and settings.get("voxel_mm3") is None:
        settings = {**settings, "voxel_mm3": math.prod(volume.spacing_mm)}
    return Volume(remove_small_clusters(volume.data, **settings), volume.affine)


def filter_folder(
    source: str | Path, destination: str | Path, *, processes: int = 1, **settings: Any
) -> list[Path]:
    """Filter every ``*.nii.gz`` of a folder; geometry is kept, other files are not copied.

    Each file is written whole or not at all, so a killed run can be started again. A bad file is named after
    the others are done.

    Parameters
    ----------
    source, destination : Path
        Folders; `destination` is made where missing. Files of the same name are replaced.
    processes : int
        Worker processes.
    **settings
        As :func:`remove_small_clusters`. With `min_mm3` and no `voxel_mm3`, each file's voxel size counts.

    Returns
    -------
    list of Path
        The files written, sorted.

    Raises
    ------
    ValueError
        Unusable settings.
    NnunetTVError
        `source` is no folder, holds no ``*.nii.gz`` or is `destination`; `destination` holds cases that
        `source` does not (they would pass for filtered ones); unreadable files or other labels than 0 and 1.
    """
    sized = {} if settings.get("min_mm3") is None else {"voxel_mm3": 1.0}  # the files give the real size
    check_settings(**{**sized, **settings})
    source, destination = Path(source), Path(destination)
    if not source.is_dir():
        raise NnunetTVError(f"{source}: expected a folder of segmentations, found none")
    if source.resolve() == destination.resolve():
        raise NnunetTVError(f"{source}: source and destination are one folder; the raw files would be lost")
    remove_partial(destination)
    names = segmentation_names(source)
    if not names:
        raise NnunetTVError(f"{source}: expected segmentations (*{ENDING}), found none")
    stale = sorted(set(segmentation_names(destination)) - set(names)) if destination.is_dir() else []
    if stale:
        raise NnunetTVError(f"{destination}: holds {', '.join(stale)}, which {source} does not; delete them "
                            "or choose an empty folder")
    work = partial(_filter_file, source=source, destination=destination, settings=settings)
    done = each_case(work, names, processes=processes, label="filter")
    problems = [str(outcome) for outcome in done if isinstance(outcome, CaseError)]
    if problems:
        head = f"{len(problems)} of {len(names)} segmentations not filtered"
        raise NnunetTVError("\n".join([head, *problems]))
    return done


def segmentation_names(folder: str | Path) -> list[str]:
    """Names of the segmentations in a folder, sorted; temporary and hidden files left out."""
    return sorted(path.name for path in Path(folder).glob(f"*{ENDING}") if not path.name.startswith("."))


def _filter_file(name: str, *, source: Path, destination: Path, settings: dict[str, Any]) -> Path:
    case = name.removesuffix(ENDING)
    volume = read_mask(source / name, case=case)
    try:
        filtered = filter_volume(volume, **settings)
    except ValueError as error:
        raise CaseError(case, str(error), source / name) from error
    write_volume(filtered, destination / name)
    return destination / name


def _foreground(segmentation: np.ndarray, *, thinnest: int = 1) -> np.ndarray:
    """The lesion as a boolean array, after the checks of shape and labels."""
    if segmentation.ndim != 3 or not segmentation.size:
        raise ValueError(f"expected a 3D segmentation, found shape {segmentation.shape}; give one volume "
                         "at a time")
    if min(segmentation.shape) < thinnest:
        raise ValueError(f"expected at least {thinnest} voxels along each axis, found shape "
                         f"{segmentation.shape}: the opening would erase everything; use opening=False")
    if segmentation.dtype in (np.uint8, bool) and segmentation.max() <= 1:
        return segmentation.view(bool)
    foreground = segmentation == 1
    if not np.array_equal(foreground, segmentation != 0):
        values = np.unique(segmentation)
        shown = ", ".join(f"{value:g}" for value in values[:6]) + (", …" if values.size > 6 else "")
        raise ValueError(f"expected the labels 0 (background) and 1 (lesion), found {shown}; save the lesion "
                         "as 1 and all else as 0")
    return foreground


def _fill_holes(mask: np.ndarray, reach: int) -> np.ndarray:
    """``binary_fill_holes`` with a cube of 2·reach + 1: a labelling, then a slow search only where needed.

    SciPy's own crashes on volumes thinner than the cube (1.17, seen); the padding rules that out here.
    """
    padded = np.pad(mask, reach)
    background, _ = label_clusters(~padded)
    outside = background == background[0, 0, 0]
    enclosed = ~padded & ~outside
    if not enclosed.any():
        return mask
    # Steps of `reach` voxels may still cross a thin wall between an enclosed pocket and the outside.
    box = tuple(slice(side.start - reach, side.stop + reach) for side in bounding_box(enclosed))
    cube = np.ones((2 * reach + 1,) * 3, bool)
    reached = ndimage.binary_dilation(outside[box], cube, iterations=-1, mask=~padded[box])
    filled = padded.copy()
    filled[box] |= ~reached
    return filled[tuple(slice(reach, -reach) for _ in range(3))]


def _smallest_cluster(
    *, min_voxels: int, connectivity: int, min_mm3: float | None, voxel_mm3: float | None,
    opening_iterations: int, hole_structure: int,
) -> int:
    """Size in voxels of the smallest cluster that stays, after the checks of the settings."""
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f"expected connectivity 6, 18 or 26, found {connectivity!r}")
    for name, value in (("min_voxels", min_voxels), ("opening_iterations", opening_iterations),
                        ("hole_structure", hole_structure)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise ValueError(f"expected a whole number for {name}, found {value!r}")
    if opening_iterations < 1:
        raise ValueError(f"expected opening_iterations >= 1, found {opening_iterations}; or opening=False")
    if hole_structure < 3 or hole_structure % 2 == 0:
        raise ValueError(f"expected an odd hole_structure >= 3, found {hole_structure}")
    if min_voxels < 0:
        raise ValueError(f"expected min_voxels >= 0, found {min_voxels}")
    if voxel_mm3 is not None and not 0 < voxel_mm3 < math.inf:
        raise ValueError(f"expected voxel_mm3 > 0, found {voxel_mm3}")
    if min_mm3 is None:
        return min_voxels
    if not 0 <= min_mm3 < math.inf:
        raise ValueError(f"expected min_mm3 >= 0, found {min_mm3}")
    if voxel_mm3 is None:
        raise ValueError(f"min_mm3={min_mm3:g} needs voxel_mm3, a voxel's volume: an array has no spacing")
    # The tolerance keeps a cluster of exactly min_mm3 when the voxel's volume carries float32 rounding.
    return math.ceil(min_mm3 / voxel_mm3 - 1e-3)
