"""The page at the end of the demo: the figures, the report, one patient's page, and the commands."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_tv.demo.dataset import TRUTH
from nnunet_tv.demo.sidecars import PARTICIPANTS
from nnunet_tv.demo.summary import MEASURES, WORTH, Result
from nnunet_tv.demo.walkthrough import Folders, Step
from nnunet_tv.imaging.volume import read_mask, same_grid
from nnunet_tv.metrics.overlap import dice
from nnunet_tv.postprocessing import ClusterFilter
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import read_json, write_text
from nnunet_tv.utils.html import render


@dataclass(frozen=True)
class Patient:
    """A patient whose scans were searched, and how the result agrees with the planted lesion.

    Voxels are those of the patient's own FLAIR, which `nnunet-tv-predict` restores its result to.
    """

    case: str
    side: str  #: of the planted lesion: ``left`` or ``right``
    lobe: str
    lesion: int  #: voxels of the planted lesion
    marked: int  #: voxels that the result marks
    both: int

    @property
    def dice(self) -> float:
        """Dice of the result and the planted lesion."""
        return dice(self.both, self.marked - self.both, self.lesion - self.both)


def check_patient(folders: Folders, case: str) -> Patient:
    """Compare the findings of a patient with the phantom's own lesion mask, on the grid of the FLAIR as acquired."""
    lesion = read_json(folders.scans / TRUTH / f"{case}.json")["lesion"]
    truth = read_mask(next((folders.scans / case / "anat").glob(f"{case}_acq-*_FLAIR_roi.nii.gz")), case=case)
    found = read_mask(folders.findings / case / f"{case}_FLAIR_fcd.nii.gz", case=case)
    if not same_grid(truth, found):
        raise CaseError(case, "expected the findings on the grid of the FLAIR's lesion mask, found another grid: "
                        f"delete {folders.findings} and run the demo again")
    true, marked = truth.data > 0, found.data > 0
    side, lobe = (PARTICIPANTS[column]["Levels"][lesion[column]] for column in ("hemisphere", "lobe"))
    return Patient(case, side, lobe, int(true.sum()), int(marked.sum()), int(np.logical_and(true, marked).sum()))


def write_index(folders: Folders, *, result: Result, patient: Patient, steps: Sequence[Step],
                seconds: Sequence[float]) -> None:
    """Write ``index.html``, a single file beside the folders that it links to."""
    page = folders.findings / patient.case / f"{patient.case}.html"
    write_text(render(
        "demo.html.j2", result=result, measures=MEASURES, worth=WORTH, patient=patient,
        min_voxels=ClusterFilter().min_voxels, picture=page.with_suffix(".png"),
        report=(folders.report / "report.html").relative_to(folders.root).as_posix(),
        page=page.relative_to(folders.root).as_posix(), steps=list(zip(steps, seconds, strict=True)),
    ), folders.index)
