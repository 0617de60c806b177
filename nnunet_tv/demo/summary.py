"""What the demo says at its end: the figures of its report, and what they are worth."""

from __future__ import annotations

import csv
from pathlib import Path

from nnunet_tv.demo.walkthrough import GROUP, Scale
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

MEASURES = ("Sens", "Prec", "DC", "sSens", "nFPC")


def figures(report: Path) -> dict[str, dict[str, float | None]]:
    """Means of Table 1 by stage (``raw``, ``filtered``) from ``report.json``.

    Raises
    ------
    NnunetTVError
        The file is missing or holds no figures of the demo's group.
    """
    path = report / "report.json"
    if not path.is_file():
        raise NnunetTVError(f"{path}: expected the report's figures, found no file: look at the report's log")
    try:
        stages = read_json(path)["groups"][GROUP]
        return {stage: {name: stages[stage][name]["mean"] for name in MEASURES} for stage in ("raw", "filtered")}
    except (KeyError, TypeError, ValueError) as error:
        raise NnunetTVError(f"{path}: expected groups, {GROUP}, raw and filtered with {', '.join(MEASURES)}, found "
                            f"something else ({type(error).__name__}: {error}): make the report again") from error


def tested(report: Path) -> list[tuple[int, int]]:
    """Voxels that the network marked and that the true lesions have, of each test patient with a lesion (raw)."""
    path = report / "cases.csv"
    if not path.is_file():
        raise NnunetTVError(f"{path}: expected the report's cases, found no file: look at the report's log")
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] == "raw" and int(row["tp"]) + int(row["fn"])]
    if not rows:
        raise NnunetTVError(f"{path}: expected test patients with a lesion, found none: make the report again")
    return [(int(row["tp"]) + int(row["fp"]), int(row["tp"]) + int(row["fn"])) for row in rows]


def marked(report: Path) -> tuple[float, float]:
    """Mean number of voxels per test patient that the network marked, and that the true lesions have (raw)."""
    counts = tested(report)
    return sum(own for own, _ in counts) / len(counts), sum(true for _, true in counts) / len(counts)


def judgement(own: float, true: float) -> str:
    """One sentence on how much is marked: the figures alone can flatter."""
    fact = f"On average it marked {own:.0f} voxels per test patient; the true lesions have {true:.0f}."
    if own == 0:
        return f"{fact} It found nothing."
    if own > 10 * true:
        return f"{fact} Sens and sSens are\nhigh where nearly everything is marked; Prec, DC and nFPC tell."
    return fact


def closing_words(report: Path, scale: Scale, *, cases: int) -> str:
    """Figures, place of the report, and what both are worth.

    Parameters
    ----------
    report : Path
        The report's folder.
    scale : Scale
        What was made and trained.
    cases : int
        Training cases, which are the iterations of an epoch.
    """
    table = ["                " + "".join(f"{name:>9}" for name in MEASURES)]
    for stage, values in figures(report).items():
        cells = "".join(f"{'n/a' if values[name] is None else format(values[name], '.4f'):>9}" for name in MEASURES)
        table.append(f"  {GROUP} {stage:<9}" + cells)
    iterations = scale.epochs * cases
    return "\n".join([
        "", *table, "",
        f"Report: {report}",
        "",
        f"What this is worth: the chain works on this machine. The network saw {iterations} batches of synthetic",
        "phantoms (the paper: up to 300 epochs of 59 patients), so it finds nothing clinical, and the figures",
        f"above, from {len(tested(report))} test phantoms, say nothing about patients. Research use only.",
        judgement(*marked(report)),
    ])
