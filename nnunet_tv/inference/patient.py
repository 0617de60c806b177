"""The folder of one predicted case: masks and maps on the original scans, table, picture, page, DICOM SEG."""

from collections.abc import Sequence
from pathlib import Path

from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.volume import Volume, read_volume, same_grid
from nnunet_tv.inference.clusters import describe_clusters, write_clusters
from nnunet_tv.inference.native import to_native_grids
from nnunet_tv.inference.patient_html import ModelSummary, status_line, write_page
from nnunet_tv.inference.patient_picture import Scan, draw_patient
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
    """Write all files of a case into its empty folder; return the number of clusters, a text and notes.

    The prediction is on ``record.grid`` and filtered. Images of `prepared` are drawn if the scans are gone. `dicom`
    are the files of the T1w's series, for which a DICOM SEG is written.
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
        t1[""], record, prepared=mask, probability=t1[PROBABILITY], deviation=t1.get(DEVIATION))
    write_clusters(clusters, out / "clusters.csv", warning=warning)
    notes, scans = list(native.notes), []
    for number, channel in enumerate(record.sources):
        image, note = native_scan(record, channel, prepared, number)
        notes += [note] if note else []
        scans.append(Scan(channel, image, native.volumes[channel][""],
                          record.to_grid(channel).inverse() @ record.to_grid("T1w")))
    draw_patient(case, scans, clusters, labels, out / f"{case}.png", warning=warning)
    if dicom and clusters:
        from nnunet_tv.inference.dicom_seg import write_dicom_seg

        try:
            write_dicom_seg(labels, dicom, out / f"{case}_fcd.dcm", case=case, model=summary.model,
                            warning=warning)
        except CaseError as error:
            notes.append(error.problem)  # the masks are complete without it
    write_page(case, clusters, out / f"{case}.png", out / f"{case}.html", summary=summary, flags=record.flags,
               notes=notes, created=created)
    text = status_line(clusters)
    if not clusters:
        text += (" The network marked nothing that passed the filter (highest probability anywhere "
                 f"{summary.highest_probability:.2f}); this does not exclude a lesion.")
    return CaseOutcome(case, text=text, clusters=len(clusters), notes=tuple(notes))


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
