"""The cluster filter of the TV paper (4.4), as a hook of nnU-Net's ``nnUNetv2_apply_postprocessing``.

Known cost: the opening erases every sheet that is only two voxels thick, and thickened cortex, the shape of
focal cortical dysplasia, is such a sheet. Switch it off (``opening=False``) where that matters more than
false clusters.
"""

import math
import pickle
from dataclasses import asdict, dataclass, replace
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

#: Ending of the files that nnU-Net writes and the filter reads.
ENDING = ".nii.gz"


@dataclass(frozen=True)
class ClusterFilter:
    """Open, fill holes, and drop clusters smaller than a size.

    1. Binary opening (erosion, then dilation) with the 6-neighbour structuring element. The paper's words
       "dilation followed by erosion" are a closing; the implementations open, and so do we.
    2. Hole filling as ``scipy.ndimage.binary_fill_holes(structure=ones((5, 5, 5)))``: background that cannot
       be reached from outside in steps of two voxels becomes foreground (walls thinner than two voxels leak).
    3. Connected components; those with fewer than `min_voxels` voxels are removed (the paper: fewer than 50,
       so 50 stays).

    Attributes
    ----------
    min_voxels : int
        Smallest cluster that stays; 0 or 1 keeps all. Not used when `min_mm3` is given.
    opening, fill_holes : bool
        Whether steps 1 and 2 are done.
    connectivity : {26, 18, 6}
        Which neighbours make one cluster: faces (6), with edges (18), with corners (26).
    min_mm3, voxel_mm3 : float, optional
        Smallest cluster that stays in mm³, and the volume of a voxel in mm³ (nnU-Net gives the hook no spacing).
    opening_iterations, hole_structure : int
        Erosions, then dilations, of step 1; side of the cube of step 2, odd.

    Examples
    --------
    >>> mask = np.zeros((9, 9, 9), np.uint8)
    >>> mask[2:6, 2:6, 2:6] = 1
    >>> [int(ClusterFilter(min_voxels=size, opening=False)(mask).sum()) for size in (64, 65)]
    [64, 0]
    """

    min_voxels: int = 50
    opening: bool = True
    fill_holes: bool = True
    connectivity: int = 26
    min_mm3: float | None = None
    voxel_mm3: float | None = None
    opening_iterations: int = 1
    hole_structure: int = 5

    def __post_init__(self):
        if self.connectivity not in CONNECTIVITIES:
            raise ValueError(f"expected connectivity 6, 18 or 26, found {self.connectivity!r}")
        for name, least in (("min_voxels", 0), ("opening_iterations", 1), ("hole_structure", 3)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
                raise ValueError(f"expected a whole number {name} >= {least}, found {value!r}")
        if self.hole_structure % 2 == 0:
            raise ValueError(f"expected an odd hole_structure, found {self.hole_structure}")
        if self.voxel_mm3 is not None and not 0 < self.voxel_mm3 < math.inf:
            raise ValueError(f"expected voxel_mm3 > 0, found {self.voxel_mm3}")
        if self.min_mm3 is not None and not 0 <= self.min_mm3 < math.inf:
            raise ValueError(f"expected min_mm3 >= 0, found {self.min_mm3}")

    @property
    def smallest_cluster(self) -> int:
        """Number of voxels of the smallest cluster that stays; ValueError for `min_mm3` without `voxel_mm3`."""
        if self.min_mm3 is None:
            return self.min_voxels
        if self.voxel_mm3 is None:
            raise ValueError(f"min_mm3={self.min_mm3:g} needs voxel_mm3, a voxel's volume: an array has no spacing")
        # The tolerance keeps a cluster of exactly min_mm3 when the voxel's volume carries float32 rounding.
        return math.ceil(self.min_mm3 / self.voxel_mm3 - 1e-3)

    @property
    def steps(self) -> list[str]:
        """Description of each step that is done."""
        steps = []
        if self.opening:
            times = self.opening_iterations
            steps.append("binary opening (erosion, then dilation), 6-neighbour structuring element, "
                         f"{times} iteration{'s' if times > 1 else ''}; erases sheets two voxels thick")
        if self.fill_holes:
            steps.append(f"hole filling with a {'×'.join([str(self.hole_structure)] * 3)} structure")
        size = f"{self.min_voxels} voxels" if self.min_mm3 is None else f"{self.min_mm3:g} mm³"
        steps.append(f"clusters smaller than {size} removed ({self.connectivity}-connectivity)")
        return steps

    def __call__(self, segmentation: np.ndarray) -> np.ndarray:
        """Filter labels (Z, Y, X), 0 background and 1 lesion, of any real dtype, which the result has too.

        The argument is not changed. Step 2 may add voxels, the others only remove; the order of the axes does not
        matter. ValueError for `min_mm3` without `voxel_mm3`, not a 3D array, labels other than 0 and 1, or an axis of
        fewer than three voxels with `opening`, which would erase everything.
        """
        smallest, reach = self.smallest_cluster, self.hole_structure // 2
        segmentation = np.asarray(segmentation)
        foreground = _foreground(segmentation, thinnest=2 * self.opening_iterations + 1 if self.opening else 1)
        result = np.zeros_like(segmentation)
        for box in separate_boxes(foreground, gap=max(reach, 1)):
            mask = foreground[box]
            if self.opening:
                mask = ndimage.binary_opening(mask, iterations=self.opening_iterations)
            if self.fill_holes:
                mask = _fill_holes(mask, reach)
            if smallest > 1:
                labels, _ = label_clusters(mask, connectivity=self.connectivity)
                stays = np.bincount(labels.ravel()) >= smallest
                stays[0] = False
                mask = stays[labels]
            result[box] = mask
        return result

    def filter_volume(self, volume: Volume) -> Volume:
        """Filter a volume, whose voxel size is used with `min_mm3` unless `voxel_mm3` is given."""
        sized = self if self.voxel_mm3 is not None else replace(self, voxel_mm3=math.prod(volume.spacing_mm))
        return Volume(sized(volume.data), volume.affine)


#: The TV paper's filter.
STANDARD: ClusterFilter = ClusterFilter()


def remove_small_clusters(segmentation: np.ndarray, **settings: Any) -> np.ndarray:
    """Filter an array with the settings of a :class:`ClusterFilter`: the function in nnU-Net's pickles."""
    return ClusterFilter(**settings)(segmentation)


def write_postprocessing(folder: str | Path, cluster_filter: ClusterFilter = STANDARD) -> Path:
    """Write ``postprocessing.pkl`` (for nnU-Net) and ``postprocessing.json`` (for people) into `folder`.

    The pickle is nnU-Net's, for ``-pp_pkl_file``: (list of functions, list of keyword arguments). Its path is returned.
    ValueError for `min_mm3` without `voxel_mm3`.
    """
    _ = cluster_filter.smallest_cluster  # an error now and not when nnU-Net applies it
    settings = asdict(cluster_filter)
    path = Path(folder) / "postprocessing.pkl"
    with atomic(path) as temporary:
        temporary.write_bytes(pickle.dumps(([remove_small_clusters], [settings])))
    write_json({"postprocessing_fns": [remove_small_clusters.__name__], "postprocessing_kwargs": [settings],
                "steps": cluster_filter.steps, "module": remove_small_clusters.__module__, "nnunet_tv": __version__},
               path.with_suffix(".json"))
    return path


def filter_folder(source: str | Path, destination: str | Path, *, cluster_filter: ClusterFilter = STANDARD,
                  processes: int = 1) -> list[Path]:
    """Filter every ``*.nii.gz`` of a folder; geometry is kept, other files are not copied.

    Each file is written whole or not at all, so a killed run can be started again. A bad file is named after
    the others are done. `destination` is made where missing; files of the same name are replaced. With `min_mm3` and no
    `voxel_mm3`, each file's voxel size is used. The files written are returned, sorted.

    Raises
    ------
    NnunetTVError
        `source` is no folder, has no ``*.nii.gz`` or is `destination`; `destination` has cases that
        `source` does not have (they would pass for filtered ones); unreadable files or other labels than 0 and 1.
    """
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
        raise NnunetTVError(f"{destination}: has {', '.join(stale)}, which {source} does not have; delete them or "
                            "choose an empty folder")
    work = partial(_filter_file, source=source, destination=destination, cluster_filter=cluster_filter)
    outcomes = each_case(work, names, processes=processes, label="filter")
    if problems := [str(outcome) for outcome in outcomes if isinstance(outcome, CaseError)]:
        raise NnunetTVError("\n".join([f"{len(problems)} of {len(names)} segmentations not filtered", *problems]))
    return [outcome for outcome in outcomes if not isinstance(outcome, CaseError)]


def segmentation_names(folder: str | Path) -> list[str]:
    """Names of the segmentations in a folder, sorted; temporary and hidden files left out."""
    return sorted(path.name for path in Path(folder).glob(f"*{ENDING}") if not path.name.startswith("."))


def _filter_file(name: str, *, source: Path, destination: Path, cluster_filter: ClusterFilter) -> Path:
    case = name.removesuffix(ENDING)
    volume = read_mask(source / name, case=case)
    try:
        filtered = cluster_filter.filter_volume(volume)
    except ValueError as error:
        raise CaseError(case, str(error), source / name) from error
    write_volume(filtered, destination / name)
    return destination / name


def _foreground(segmentation: np.ndarray, *, thinnest: int = 1) -> np.ndarray:
    """The lesion as a boolean array, after the checks of shape and labels."""
    if segmentation.ndim != 3 or not segmentation.size:
        raise ValueError(f"expected a 3D segmentation, found shape {segmentation.shape}; give one volume at a time")
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
