"""One patient's page: what was found, where, how sure, and what that does and does not mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from nnunet_tv import __version__
from nnunet_tv.imaging.drawing import CONVENTION
from nnunet_tv.inference.atlas import NAME as ATLAS
from nnunet_tv.inference.clusters import Cluster
from nnunet_tv.inference.patient_picture import MOST
from nnunet_tv.utils.files import write_text
from nnunet_tv.utils.html import RESEARCH_USE, bullets, document, picture, table

#: Table 1 of the TV paper (arXiv 2510.06276), Dice+TV, post-processed: 14 test patients, 10 runs.
EXPERIENCE = ("In the published test of this method (14 patients, all with a lesion, standard filter) some of the "
              "lesion was marked in about 8 of 10 patients, with about three false clusters in each. Other scanners, "
              "other patients and another training set give other figures: see this model's own report.")
FOUND = ("A cluster is a place to look at again, not a diagnosis. Most clusters of networks like this one are not "
         "lesions, and the probability is the network's own, not the chance that the place is a lesion.")
NOTHING = ("No cluster found: no connected group of voxels that the network marked passed the filter. This does not "
           "mean that the patient has no focal cortical dysplasia. The network misses lesions, and most often the "
           "small and faint ones for which help is wanted. It means only that this model, on these scans, as they "
           "were prepared, marked nothing.")
#: Rows of the table; all are in clusters.csv.
ROWS = 10
_HEADER = ("Rank", "Side", "Region (lobe)", "mm³", "Mean prob.", "Peak prob.", "MNI mm", "Scan mm")


@dataclass(frozen=True)
class ModelSummary:
    """How a case's result came about, in lines for its reader.

    Attributes
    ----------
    model, filter : str
        The model and its folds; the cluster filter.
    registration : str
        ``none``, ``t1`` or ``mni``.
    highest_probability : float or None
        Anywhere on the prepared grid, before the filter.
    """

    model: str
    filter: str
    registration: str
    highest_probability: float | None


def status_line(clusters: Sequence[Cluster]) -> str:
    """What was found, in a sentence."""
    if not clusters:
        return "No cluster found."
    total = sum(cluster.volume_mm3 for cluster in clusters)
    return f"{len(clusters)} cluster{'s' if len(clusters) > 1 else ''} found, {total:.0f} mm³ in all."


def write_page(
    case: str, clusters: Sequence[Cluster], image: str | Path, path: str | Path, *, summary: ModelSummary,
    flags: Sequence[str] = (), notes: Sequence[str] = (), created: str = "",
) -> None:
    """Write a case's page, atomically.

    Parameters
    ----------
    case : str
        Title.
    clusters : sequence of Cluster
        In the order of their ranks.
    image : Path
        PNG of :func:`~nnunet_tv.inference.patient_picture.draw_patient`.
    path : Path
        HTML file.
    summary : ModelSummary
        How the result came about.
    flags, notes : sequence of str
        What must be looked at before the result is trusted; what else should be known.
    created : str
        The time.
    """
    parts = [f"<h1>{escape(case)}</h1><p><strong>{escape(RESEARCH_USE)}</strong></p>"]
    if flags:
        parts.append('<div class="warning"><strong>Look at the preparation before you trust this result:</strong>'
                     + bullets(flags) + "</div>")
    parts.append(f'<p class="said"><strong>{escape(status_line(clusters))}</strong></p>')
    parts.append(f"<p>{escape(FOUND if clusters else NOTHING)} {escape(EXPERIENCE)}</p>")
    if clusters:
        parts.append(table("The first is the one to look at first: by mean probability, then peak, then volume",
                           _HEADER, [_row(cluster) for cluster in clusters[:ROWS]]))
    if len(clusters) > ROWS:
        parts.append(f"<p>The first {ROWS} of {len(clusters)}; all are in clusters.csv. So many clusters are a "
                     "reason to doubt the model or the scans.</p>")
    few = f" The first {MOST} clusters are drawn." if len(clusters) > MOST else ""
    parts.append(picture(image, f"Scans of {case}: {status_line(clusters)}"))
    parts.append(f"<p>The patient's own scans; clusters outlined in yellow.{few} {escape(CONVENTION)}</p>")
    parts.append("<h2>How this came about</h2>" + bullets([*notes, *_lines(summary), *_made(created)]))
    write_text(document(f"{case}: {status_line(clusters)}", parts), path)


def _lines(summary: ModelSummary) -> list[str]:
    lines = [f"Model: {summary.model}.", f"Filter: {summary.filter}."]
    if summary.highest_probability is not None:
        lines.append(f"Highest lesion probability anywhere, before the filter: {summary.highest_probability:.2f}.")
    if summary.registration == "mni":
        lines.append(f"Side and region are read in MNI152 space, after an affine registration ({ATLAS}); side of the "
                     "patient, not of the picture.")
    else:
        lines.append("The scans were not registered to MNI152, so no side and no region is given.")
    return lines


def _made(created: str) -> list[str]:
    return [f"nnunet-tv {__version__}{', ' + created if created else ''}."]


def _row(cluster: Cluster) -> list[str]:
    return [str(cluster.rank), cluster.side, _region(cluster), f"{cluster.volume_mm3:.0f}",
            _number(cluster.mean_probability), _number(cluster.peak_probability),
            _point(cluster.mni_x_mm, cluster.mni_y_mm, cluster.mni_z_mm), _point(*cluster.native_mm)]


def _region(cluster: Cluster) -> str:
    return cluster.region if cluster.lobe in cluster.region else f"{cluster.region} ({cluster.lobe})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _point(*values: float | None) -> str:
    return "-" if None in values else ", ".join(f"{value:.0f}" for value in values)
