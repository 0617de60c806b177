"""The section of calibration."""

from nnunet_tv.reporting.figures.calibration import (
    calibrate_clusters,
    calibrate_voxels,
    calibration_table,
    reliability_table,
)
from nnunet_tv.reporting.figures.calibration_drawing import draw_reliability
from nnunet_tv.reporting.figures.curves import by_case
from nnunet_tv.reporting.sections.base import Figure, ReportContext, Section


def calibration_section(context: ReportContext) -> Section | None:
    """Calibration of voxels and of clusters, drawn in ``curves/``; none without probabilities."""
    candidates, folder = context.record.candidates, context.work / "curves"
    seed, rule = context.seed, context.settings["hits"][0]
    voxels, clusters = [], []
    for name in dict.fromkeys(one.group for one in candidates):
        cases = by_case(candidates, name)
        voxels.append(calibrate_voxels(cases, name=name, seed=seed))
        clusters.append(calibrate_clusters(cases, rule, name=name, seed=seed))
    if not voxels:
        return None
    found = [one for of_voxels, of_clusters in zip(voxels, clusters, strict=True) for one in (*of_voxels, of_clusters)]
    figures = [Figure(
        draw_reliability([every for every, _ in voxels], folder / "calibration-voxels",
                         labels=("Mean probability (voxels)", "Share of voxels that are lesion"))[0],
        "Share of voxels that are lesion against their probability; values in the table",
        "Reliability of voxels, in bins of probability of 0.1, with 95 % intervals over subjects. Groups are drawn "
        "side by side.")]
    if drawn := [one for one in clusters if one.bins]:
        figures.append(Figure(
            draw_reliability(drawn, folder / "calibration-clusters",
                             labels=("Mean confidence (clusters)", "Share of clusters that are true"))[0],
            "Share of clusters that are true against their confidence; values in the table",
            f"Reliability of clusters (hit rule {rule}), in bins of equal number, with 95 % intervals over subjects. "
            "Groups are drawn side by side."))
    text = ("Whether a probability can be read as a chance: of the voxels to which a calibrated model gives 0.7, 70 % "
            "are lesion. Points below the diagonal: the model is surer than it is right.",)
    return Section("calibration", "Calibration", text=text, figures=tuple(figures), tables=(
        calibration_table(found, rule, candidates[0].threshold, seed), reliability_table(found, seed)))
