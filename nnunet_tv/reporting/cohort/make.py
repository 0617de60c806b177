"""Cohort maps of all groups: their files, and what the report records of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunet_tv.brain.atlas import region_of
from nnunet_tv.brain.sides import side_of
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.postprocessing import ENDING
from nnunet_tv.registration.template import TEMPLATE_GRID
from nnunet_tv.reporting.cohort.brain import find_brain
from nnunet_tv.reporting.cohort.maps import Cohort, file_stems, make_map, other_grid
from nnunet_tv.reporting.cohort.picture import draw_map
from nnunet_tv.scoring.marks import Marks, unite
from nnunet_tv.scoring.rows import STAGES


def make_cohort(
    patients: Sequence[Marks], controls: Sequence[Marks], folder: Path, *, images: Path | None = None,
    connectivity: int = 26,
) -> Cohort:
    """Make the maps of all groups and write ``GROUP_STAGE.nii.gz`` and ``.png`` into a folder.

    A subject among patients and controls counts once, as a patient. Without a common grid nothing is written, and
    the result holds the reason.
    """
    marks = unite([*patients, *controls])
    if reason := other_grid(marks):
        return Cohort(reason=reason)
    grid, sick = marks[0].grid, {one.case for one in patients}
    healthy = {one.case for one in controls} - sick
    brain = find_brain(grid, sorted(sick | healthy), images)
    region = _region if grid.matches(TEMPLATE_GRID) else None
    stems = file_stems([one.group for one in marks])
    maps = []
    for group, stem in stems.items():
        for stage in STAGES:
            ours = [one for one in marks if (one.group, one.stage) == (group, stage)]
            found, counts = make_map(ours, brain, controls=healthy, stem=f"{stem}_{stage}", connectivity=connectivity,
                                     region=region)
            write_volume(Volume(counts, grid.affine), folder / f"{found.stem}{ENDING}",
                         description=f"number of subjects, of {found.n_subjects}")
            if found.most:
                draw_map(found, counts, grid, folder / f"{found.stem}.png", background=brain.background)
            maps.append(found)
    return Cohort(tuple(maps), brain=brain.source, background=brain.background_source, connectivity=connectivity)


def _region(points_mm: np.ndarray) -> str:
    """Side and region of points in the template's space, shape (n, 3) in mm."""
    return f"{side_of(points_mm)}, {region_of(points_mm)[0]}"
