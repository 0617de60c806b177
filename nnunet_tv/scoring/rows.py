"""One row per case, run and stage: the outcome of scoring, as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.scoring.marks import Marks
from nnunet_tv.utils.errors import CaseError

#: Statuses of rows besides those of :class:`CaseScore`.
MISSING = "missing prediction"
MISMATCH = "geometry mismatch"
UNUSABLE = "unusable file"
UNFILTERED = "cannot be filtered"

RAW, FILTERED = STAGES = ("raw", "filtered")


@dataclass(frozen=True)
class LostLesions:
    """True lesions lost to the filter: found raw under the primary rule, not found filtered."""

    by_filter: int
    by_opening: int | None  #: lost once opened and filled; None where the filtered segmentation came as a file
    by_size: int | None  #: lost in the step after; None likewise


@dataclass(frozen=True)
class CaseRow:
    """One case of one run at one stage; `score` is None where nothing can be scored, and `problem` is the reason.

    A missing prediction that was allowed has the status ``missing prediction`` and the score of an empty one.
    """

    case: str
    group: str
    run: int
    stage: str
    status: str
    score: CaseScore | None
    problem: str = ""
    lost: LostLesions | None = None

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CaseRow:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        score, lost = content["score"], content.get("lost")
        return cls(**{**content, "score": None if score is None else CaseScore.from_dict(score),
                      "lost": None if lost is None else LostLesions(**lost)})


@dataclass(frozen=True)
class CaseFlow:
    """Which files of the folders became cases, and which did not."""

    references: tuple[str, ...] = ()  #: cases with a reference in the folder
    left_out: tuple[str, ...] = ()  #: those of them that are not scored, since other cases were chosen
    unscored: dict[str, tuple[str, ...]] = field(default_factory=dict)  #: predictions that are not scored, by folder

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CaseFlow:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(tuple(content["references"]), tuple(content["left_out"]),
                   {folder: tuple(cases) for folder, cases in content["unscored"].items()})


@dataclass
class Scores:
    """Result of scoring, of one case or of all."""

    rows: list[CaseRow] = field(default_factory=list)  #: group by group, run by run, stage by stage, case by case
    problems: list[str] = field(default_factory=list)  #: what could not be scored; results without it are biased
    warnings: list[str] = field(default_factory=list)  #: what was left out or changed without harm
    inputs: dict[str, str] = field(default_factory=dict)  #: SHA-256 of every file read, by path
    candidates: list[FrocCandidates] = field(default_factory=list)  #: of the rows with probabilities, in their order
    marks: list[Marks] = field(default_factory=list)  #: by case, group and stage, united over runs
    flow: CaseFlow | None = None  #: None for one case, and for controls, which have no references


def add_parts(total: Any, parts: Iterable[Any]) -> None:
    """Add the lists and mappings of the results of single cases to those of `total`, of the same dataclass.

    An error of a case among the `parts` is raised.
    """
    for part in parts:
        if isinstance(part, CaseError):
            raise part
        for name in (each.name for each in fields(part)):
            value = getattr(part, name)
            if isinstance(value, list):
                getattr(total, name).extend(value)
            elif isinstance(value, dict):
                getattr(total, name).update(value)
