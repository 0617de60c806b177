"""The folder of one predicted case: masks and maps on the original scans, table, picture, page, DICOM SEG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.volume import Volume, read_volume, same_grid
from nnunet_tv.inference.clusters import describe_clusters, focus_mm, write_clusters
from nnunet_tv.inference.native import to_native_grids
from nnunet_tv.inference.patient_html import (
    ModelSummary,
    Warnings,
    position_text,
    slice_text,
    status_line,
    write_page,
)
from nnunet_tv.inference.patient_picture import Scan, draw_patient
from nnunet_tv.inference.plausibility import brain_volume_ml, check_findings
from nnunet_tv.inference.predictor import Prediction
from nnunet_tv.inference.restore import DEVIATION, PROBABILITY, write_native
from nnunet_tv.inference.trained_on import SYNTHETIC
from nnunet_tv.postprocessing import ENDING
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import sha256


def describe_patient(
    record: Provenance, prediction: Prediction, out: Path, *, prepared: Path, summary: ModelSummary,
    dicom: Sequence[Path] = (), created: str = "",
) -> CaseOutcome:
    """Write all files of a case into its empty folder; return the number of clusters, a text, flags and notes.

    The flags are those of the result (:mod:`nnunet_tv.inference.plausibility`); those of the preparation are in
    `record`. The prediction is on ``record.grid`` and filtered. Images of `prepared` are drawn if the scans are gone.
    `dicom` are the files of the T1w's series, for which a DICOM SEG is written.
    """
    case, mask = record.case, prediction.segmentation
    warning = SYNTHETIC if summary.trained_on.synthetic else ""
    maps = {PROBABILITY: prediction.probability}
    if prediction.deviation is not None:
        maps[DEVIATION] = prediction.deviation
    native = to_native_grids(record, mask, maps)
    write_native(native, out, warning=warning)
    t1 = native.volumes["T1w"]
    clusters, labels = describe_clusters(
        t1[""], record, prepared=mask, probability=t1[PROBABILITY], deviation=t1.get(DEVIATION),
        brain=_prepared_brain(record, prepared))
    write_clusters(clusters, out / "clusters.csv", warning=warning)
    flags = check_findings(clusters, brain_ml=brain_volume_ml(record))
    notes, scans = list(native.notes), []
    for number, channel in enumerate(record.sources):
        image, note = native_scan(record, channel, prepared, number)
        notes += [note] if note else []
        scans.append(Scan(channel, image, native.volumes[channel][""],
                          record.to_grid(channel).inverse() @ record.to_grid("T1w")))
    draw_patient(case, scans, clusters, labels, out / f"{case}.png", warning=warning)
    if dicom and labels.data.any():
        from nnunet_tv.inference.dicom_seg import write_dicom_seg

        try:
            write_dicom_seg(labels, dicom, out / f"{case}_fcd.dcm", case=case, model=summary.model,
                            warning=warning)
        except CaseError as error:
            notes.append(error.problem)  # the masks are complete without it
    gaps = [gap.text for gap in record.coverage or () if gap.stated]
    others = [flag for flag in record.flags if flag not in gaps]
    write_page(case, clusters, out / f"{case}.png", out / f"{case}.html", summary=summary,
               warnings=Warnings(result=flags, coverage=gaps, preparation=others), notes=notes, created=created,
               coverage_checked=record.coverage is not None,
               places=_places(record, focus_mm(labels, clusters[0])) if clusters else ())
    text = status_line(clusters)
    if not clusters:
        text += (" The network marked nothing that passed the filter (highest probability anywhere "
                 f"{summary.highest_probability:.2f}); this does not exclude a lesion.")
    for title, lines in (("Doubt this result", flags), ("Look at the preparation first", others),
                         ("Not the whole brain was seen", gaps)):
        text += f" {title}: {'; '.join(lines)}." if lines else ""
    notes += [gap for gap in gaps if gap not in record.flags]
    return CaseOutcome(case, text=text, clusters=len(clusters), flags=flags, notes=tuple(notes))


def _prepared_brain(record: Provenance, prepared: Path) -> Volume | None:
    """Brain mask of a prepared case, whose images are 0 outside of it; None where the skull was kept."""
    if record.brain_method in (None, "none"):
        return None
    images = [read_volume(prepared / f"{record.case}_{number:04d}{ENDING}", case=record.case)
              for number in range(len(record.sources))]
    return Volume(np.any([image.data != 0 for image in images], axis=0).astype(np.uint8), images[0].affine)


def _places(record: Provenance, t1_mm: np.ndarray) -> list[str]:
    """Where to scroll in each scan to reach a point, given in scanner mm of the T1w."""
    result = []
    for channel, grid in record.sources.items():
        there = (record.to_grid(channel).inverse() @ record.to_grid("T1w")).apply(t1_mm)
        result.append(f"{channel}: {slice_text(grid, there)} ({position_text(there)})")
    return result


def native_scan(record: Provenance, channel: str, prepared: Path, number: int) -> tuple[Volume, str]:
    """The original scan; if it is gone or changed, the prepared image on its grid, and a note."""
    source = record.details.get("scans", {}).get(channel, {})
    grid = record.sources[channel]
    for path in (Path(source["file"]), prepared / source["file"]) if source.get("file") else ():
        if path.is_file() and (prepared in path.parents or sha256(path) == source.get("sha256")):
            try:
                scan = read_volume(path, case=record.case)
            except CaseError:
                continue
            if same_grid(scan, grid):
                return scan, ""
    image = read_volume(prepared / f"{record.case}_{number:04d}{ENDING}", case=record.case)
    return resample_image(image, grid, world=record.to_grid(channel)), (
        f"The original {channel} was not found, or has changed since; the picture shows the prepared image, resampled "
        "to its grid.")
