"""Closing text of the demo: the figures of its report, and how far they can be trusted."""

from pathlib import Path

import pandas as pd

from nnunet_tv.demo.walkthrough import GROUP, Scale
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

MEASURES = ("Sens", "Prec", "DC", "sSens", "nFPC")


def figures(report: Path) -> dict[str, dict[str, float | None]]:
    """Means of Table 1 by stage (``raw``, ``filtered``) from ``report.json``."""
    path = _existing(report / "report.json", "figures")
    try:
        stages = read_json(path)["groups"][GROUP]
        return {stage: {name: stages[stage][name]["mean"] for name in MEASURES} for stage in ("raw", "filtered")}
    except (KeyError, TypeError, ValueError) as error:
        raise NnunetTVError(f"{path}: expected groups, {GROUP}, raw and filtered with {', '.join(MEASURES)}, found "
                            f"something else ({type(error).__name__}: {error}): make the report again") from error


def voxel_counts(report: Path) -> pd.DataFrame:
    """Voxels ``marked`` by the network and of the ``true`` lesions (raw), a row per test patient with a lesion."""
    path = _existing(report / "cases.csv", "cases")
    cases = pd.read_csv(path)
    cases = cases[(cases["stage"] == "raw") & (cases["tp"] + cases["fn"] > 0)]
    if cases.empty:
        raise NnunetTVError(f"{path}: expected test patients with a lesion, found none: make the report again")
    return pd.DataFrame({"marked": cases["tp"] + cases["fp"], "true": cases["tp"] + cases["fn"]})


def _existing(path: Path, content: str) -> Path:
    if not path.is_file():
        raise NnunetTVError(f"{path}: expected the report's {content}, found no file: see the report's log")
    return path


def judgement(marked: float, true: float) -> str:
    """One sentence on how much the network marks, without which the figures mislead."""
    fact = f"On average it marked {marked:.0f} voxels per test patient; the true lesions have {true:.0f}."
    if marked == 0:
        return f"{fact} It found nothing."
    if marked > 10 * true:
        return (f"{fact} Sens and sSens are\nhigh where nearly everything is marked; Prec, DC and nFPC show the false "
                "positives.")
    return fact


def closing_text(report: Path, scale: Scale, *, cases: int) -> str:
    """Figures, place of the report, and their limits; `cases` is the number of training cases (batches per epoch)."""
    table = [" " * 16 + "".join(f"{name:>9}" for name in MEASURES)]
    for stage, values in figures(report).items():
        cells = (f"{'n/a' if value is None else format(value, '.4f'):>9}" for value in values.values())
        table.append(f"  {GROUP} {stage:<9}" + "".join(cells))
    counts = voxel_counts(report)
    return "\n".join([
        "", *table, "",
        f"Report: {report}",
        "",
        f"What this is worth: the chain works on this machine. The network saw {scale.epochs * cases} batches of",
        "synthetic phantoms (the paper: up to 300 epochs of 59 patients), so it finds nothing clinical, and the",
        f"figures above, from {len(counts)} test phantoms, carry no information about patients. Research use only.",
        judgement(counts["marked"].mean(), counts["true"].mean()),
    ])
