"""Folders of small masks and how to score them, for the tests of scoring."""

import numpy as np
import pytest
from masks import mask

from nnunet_tv.imaging.volume import Volume, read_mask, write_volume
from nnunet_tv.postprocessing import ClusterFilter
from nnunet_tv.scoring.case_scoring import ScoringOptions
from nnunet_tv.scoring.folders import score_folders
from nnunet_tv.scoring.runs import Run

SHAPE = (16, 18, 20)
AFFINE = np.array([[1.5, 0, 0, -20], [0, 2, 0, 5], [0, 0, 3, 7], [0, 0, 0, 1.0]])
SPACING = (1.5, 2, 3)
#: A filter that changes nothing.
BARE = ClusterFilter(min_voxels=0, opening=False, fill_holes=False)


def boxes(*sides, shape=SHAPE):
    return mask(*sides, shape=shape)


def cube(*starts, shape=SHAPE, side=4):
    return boxes(*(tuple((start, start + side) for start in place) for place in starts), shape=shape)


def save(folder, case, data, affine=AFFINE):
    write_volume(Volume(np.asarray(data), affine), folder / f"{case}.nii.gz")


def flipped(data, axis):
    """The same image in the world, stored from the other end of one axis."""
    affine = AFFINE.copy()
    affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
    affine[:3, axis] *= -1
    return np.flip(data, axis), affine


def read(path):
    return read_mask(path, case="").data


def score(folder, *runs, cases=None, processes=1, **options):
    """Score `runs`, by default the folder ``pred`` as run 0 of A, with no filter."""
    runs = runs or (Run("A", 0, folder / "pred"),)
    return score_folders(folder / "ref", runs, cases=cases, processes=processes,
                         options=ScoringOptions(**{"cluster_filter": BARE, **options}))


def rows_of(scores, stage="raw"):
    return {row.case: row for row in scores.rows if row.stage == stage}


@pytest.fixture
def study(tmp_path):
    """Two cases: one hit with a false cluster beside, one missed."""
    save(tmp_path / "ref", "sub-1", cube((2, 3, 4)))
    save(tmp_path / "ref", "sub-2", cube((10, 10, 10)))
    save(tmp_path / "pred", "sub-1", cube((3, 3, 4)) | cube((11, 12, 13), side=2))
    save(tmp_path / "pred", "sub-2", cube((2, 2, 2)))
    return tmp_path
