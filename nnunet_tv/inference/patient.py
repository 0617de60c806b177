"""One predicted case into its folder: restored masks and maps, table, picture, page, DICOM SEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.volume import Volume, read_mask, read_volume, same_grid
from nnunet_tv.inference.clusters import Cluster, describe_clusters, write_clusters
from nnunet_tv.inference.patient_html import ModelSummary, status_line, write_page
from nnunet_tv.inference.patient_picture import Scan, draw_patient
from nnunet_tv.inference.restore import DEVIATION, PROBABILITY, write_native
from nnunet_tv.postprocessing import ENDING
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import sha256

CLUSTERS = "clusters.csv"


def describe_patient(
    record: Provenance, mask: np.ndarray, probability: np.ndarray, deviation: np.ndarray | None, out: Path, *,
    prepared: Path, summary: ModelSummary, dicom: Sequence[Path] = (), created: str = "",
) -> tuple[list[Cluster], str, list[str]]:
    """Write everything of a case into `out`.

    Parameters
    ----------
    record : Provenance
        Of the case.
    mask, probability, deviation : ndarray, shape of ``record.grid``
        Filtered segmentation (0, 1); lesion probability; its standard deviation between folds, or None.
    out : Path
        Folder of the case, empty.
    prepared : Path
        Folder of the prepared images; they are drawn where the scans themselves are gone.
    summary : ModelSummary
        For the page.
    dicom : sequence of Path
        Files of the T1w's DICOM series; a DICOM SEG is written for them.
    created : str
        The time, for the page.

    Returns
    -------
    clusters : list of Cluster
    text : str
        What was found, in words.
    notes : list of str
        What a reader should know besides.
    """
    case, affine = record.case, record.grid.affine
    maps = {PROBABILITY: Volume(probability, affine)}
    if deviation is not None:
        maps[DEVIATION] = Volume(deviation, affine)
    found = Volume(np.ascontiguousarray(mask, np.uint8), affine)
    restored = write_native(record, found, maps, out)
    notes = list(restored.notes)
    t1 = read_mask(restored.files["T1w"], case=case)
    clusters, labels = describe_clusters(
        t1, record, prepared=found, probability=read_volume(restored.files[f"T1w_{PROBABILITY}"], case=case),
        deviation=None if deviation is None else read_volume(restored.files[f"T1w_{DEVIATION}"], case=case))
    write_clusters(clusters, out / CLUSTERS)
    scans = []
    for number, channel in enumerate(record.sources):
        image, note = native_scan(record, channel, prepared, number)
        notes += [note] if note else []
        from_t1 = record.to_grid(channel).inverse() @ record.to_grid("T1w")
        scans.append(Scan(channel, image, read_mask(restored.files[channel], case=case), from_t1))
    draw_patient(case, scans, clusters, Volume(labels, t1.affine), out / f"{case}.png")
    if dicom and clusters:
        notes += _dicom_seg(case, Volume(labels, t1.affine), dicom, out, summary)
    write_page(case, clusters, out / f"{case}.png", out / f"{case}.html", summary=summary, flags=record.flags,
               notes=notes, created=created)
    return clusters, _in_words(clusters, summary), notes


def _in_words(clusters: Sequence[Cluster], summary: ModelSummary) -> str:
    if clusters or summary.highest_probability is None:
        return status_line(clusters)
    return (f"{status_line(clusters)} The network marked nothing that passed the filter (highest probability anywhere "
            f"{summary.highest_probability:.2f}); this does not exclude a lesion.")


def _dicom_seg(case: str, labels: Volume, files: Sequence[Path], out: Path, summary: ModelSummary) -> list[str]:
    """Write it; a note where that is not possible, for the masks are there all the same."""
    from nnunet_tv.inference.dicom_seg import write_dicom_seg

    try:
        write_dicom_seg(labels, files, out / f"{case}_fcd.dcm", case=case, model=summary.model)
    except CaseError as error:
        return [error.problem]
    return []


def native_scan(record: Provenance, channel: str, prepared: Path, number: int) -> tuple[Volume, str]:
    """The scan as it came; where it is gone or changed, the prepared image brought back, and a note that says so."""
    told = record.details.get("scans", {}).get(channel, {})
    grid = record.sources[channel]
    if told.get("file"):
        for path in (Path(told["file"]), prepared / told["file"]):
            if path.is_file() and (prepared in path.parents or sha256(path) == told.get("sha256")):
                try:
                    scan = read_volume(path, case=record.case)
                except CaseError:
                    continue
                if same_grid(scan, grid):
                    return scan, ""
    image = read_volume(prepared / f"{record.case}_{number:04d}{ENDING}", case=record.case)
    back = resample_image(image, grid, world=record.to_grid(channel))
    return back, (f"The {channel} itself was not found, or has changed since; drawn is the prepared image, brought "
                  "back to its grid.")
