"""The page of one patient: what was found, where, how sure the network is, and what that means."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_tv.brain.atlas import NAME as ATLAS
from nnunet_tv.imaging.drawing import CONVENTION
from nnunet_tv.inference.clusters import Cluster, count_text
from nnunet_tv.inference.patient_picture import MOST
from nnunet_tv.inference.trained_on import SYNTHETIC, TrainedOn
from nnunet_tv.utils.files import write_text
from nnunet_tv.utils.html import render

#: Rows of the table at most; clusters.csv has all clusters.
ROWS = 10


@dataclass(frozen=True)
class ModelSummary:
    """How the result of a case was obtained."""

    model: str  #: name and folds
    filter: str  #: description of the cluster filter
    registration: str  #: ``none``, ``t1`` or ``mni``
    highest_probability: float  #: of a lesion on the prepared grid, before the filter
    trained_on: TrainedOn = field(default_factory=TrainedOn)  #: what the model was trained on


def status_line(clusters: Sequence[Cluster]) -> str:
    """Return the number of clusters and their volume as a sentence."""
    if not clusters:
        return "No cluster found."
    total = sum(cluster.volume_mm3 for cluster in clusters)
    return f"{count_text(len(clusters))} found, {total:.0f} mm³ in all."


def write_page(
    case: str, clusters: Sequence[Cluster], image: str | Path, path: str | Path, *, summary: ModelSummary,
    flags: Sequence[str] = (), notes: Sequence[str] = (), created: str = "",
) -> None:
    """Write a case's page, atomically.

    `image` is the PNG of :func:`~nnunet_tv.inference.patient_picture.draw_patient`, `flags` what to check before the
    result is relied on, `created` date and time.
    """
    page = render(
        "patient.html.j2", case=case, clusters=clusters, status=status_line(clusters), flags=flags, notes=notes,
        image=image, model=summary, created=created, atlas=ATLAS, convention=CONVENTION, most_rows=ROWS,
        most_drawn=MOST, synthetic=SYNTHETIC,
    )
    write_text(page, path)
