"""Figures of the demo's report, what they show, and how far they can be trusted."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nnunet_tv.demo.walkthrough import CONTROLS, EPOCHS, GROUP, TEST
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json
from nnunet_tv.utils.numbers import counted

MEASURES = ("Sens", "Prec", "DC", "sSens", "nFPC")
#: What the filtered result of the demo reaches, whatever the seed.
MIN_SSENS, MAX_NFPC, MIN_DC = 0.8, 2.0, 0.4
#: Stated wherever the figures are.
WORTH = (f"What this is worth: the chain works on this machine. A small network was trained for {EPOCHS} epochs on "
         "synthetic phantoms with the anatomy of one template, whose lesions are larger and more conspicuous than many "
         f"real ones. The figures, from {TEST} phantoms with a lesion and {CONTROLS} without, carry no information "
         "about patients, and the network is of no use on their scans. Research use only.")


@dataclass(frozen=True)
class Result:
    """Figures of the report."""

    means: dict[str, dict[str, float | None]]  #: Table 1 by stage (``raw``, ``filtered``) and measure
    lesions: int  #: test patients
    found: int  #: of them, those with a true positive voxel after the filter
    marked: float  #: voxels that the network marks, per test patient, before the filter
    true: float  #: voxels of the lesion, per test patient

    @property
    def as_expected(self) -> bool:
        """Whether the filtered figures are those that the demo reaches."""
        sensitivity, clusters, dice = (self.means["filtered"][name] for name in ("sSens", "nFPC", "DC"))
        return None not in (sensitivity, clusters, dice) and (
            sensitivity >= MIN_SSENS and clusters <= MAX_NFPC and dice >= MIN_DC)  # type: ignore[operator]

    @property
    def judgement(self) -> str:
        """What the figures show, in a sentence or two."""
        if self.found == 0:
            return (f"The network found none of the {counted(self.lesions, 'planted lesion')}: on average it marked "
                    f"{self.marked:.0f} voxels per test patient before the filter; the lesions have {self.true:.0f}.")
        false, dice = self.means["filtered"]["nFPC"], self.means["filtered"]["DC"]
        text = (f"The network found {self.found} of {counted(self.lesions, 'planted lesion')} in phantoms that it was "
                f"not trained on, with {_number(false, 1)} false clusters per phantom after the filter and a mean Dice "
                f"of {_number(dice, 2)}. On average it marked {self.marked:.0f} voxels per test patient before the "
                f"filter; the lesions have {self.true:.0f}.")
        if not self.as_expected:
            text += (f" That is less than the demo reaches otherwise (sSens at least {MIN_SSENS}, nFPC at most "
                     f"{MAX_NFPC:.0f}, DC at least {MIN_DC}).")
        return text

    def table(self) -> list[tuple[str, list[str]]]:
        """Rows of the figures for readers: stage and a text for each of :data:`MEASURES`."""
        return [(stage, [_number(means[name], 4) for name in MEASURES]) for stage, means in self.means.items()]


def read_result(report: Path) -> Result:
    """Result in the folder that ``nnunet-tv-report`` wrote."""
    path = _existing(report / "report.json", "figures")
    try:
        stages = read_json(path)["groups"][GROUP]
        means = {stage: {name: stages[stage][name]["mean"] for name in MEASURES} for stage in ("raw", "filtered")}
    except (KeyError, TypeError, ValueError) as error:
        raise NnunetTVError(f"{path}: expected groups, {GROUP}, raw and filtered with {', '.join(MEASURES)}, found "
                            f"something else ({type(error).__name__}: {error}): make the report again") from error
    path = _existing(report / "cases.csv", "cases")
    cases = pd.read_csv(path)
    cases = cases[cases["tp"] + cases["fn"] > 0]
    raw, filtered = (cases[cases["stage"] == stage] for stage in ("raw", "filtered"))
    if raw.empty or len(raw) != len(filtered):
        raise NnunetTVError(f"{path}: expected test patients with a lesion, raw and filtered, found {len(raw)} and "
                            f"{len(filtered)}: make the report again")
    return Result(means, len(raw), int((filtered["tp"] > 0).sum()), float((raw["tp"] + raw["fp"]).mean()),
                  float((raw["tp"] + raw["fn"]).mean()))


def _existing(path: Path, content: str) -> Path:
    if not path.is_file():
        raise NnunetTVError(f"{path}: expected the report's {content}, found no file: see the report's log")
    return path


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def closing_text(result: Result, *, index: Path, seconds: float) -> str:
    """Figures, what they show, their limits, and the page to open."""
    table = [" " * 18 + "".join(f"{name:>9}" for name in MEASURES)]
    table += [f"  {GROUP} {stage:<9}" + "".join(f"{cell:>9}" for cell in cells) for stage, cells in result.table()]
    prose = [textwrap.fill(text, 100) for text in (result.judgement, WORTH)]
    return "\n".join(["", *table, "", prose[0], "", prose[1], "", f"Time of the commands: {seconds / 60:.1f} min.",
                      f"Open this file in a browser: {index}"])
