"""What a section of the report is, and what it is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.reporting.groups import GroupStage, gather
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.tables.table import Table


@dataclass(frozen=True)
class Figure:
    """An image file with its alternative text and its caption."""

    path: Path
    alternative: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    key: str  #: anchor
    title: str
    text: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    appendix: bool = False  #: at the end of the page, with its tables folded


@dataclass(frozen=True)
class ReportContext:
    """What every section is made from."""

    record: Record
    work: Path  #: report folder in which figures are drawn

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the record."""
        return self.record.settings

    @property
    def seed(self) -> int:
        """Seed of every resampling."""
        return self.settings["seed"]

    @cached_property
    def groups(self) -> Sequence[GroupStage]:
        """Every group at every stage."""
        return gather(self.record.rows)

    @cached_property
    def controls(self) -> Sequence[GroupStage]:
        """The same of the controls; empty without any."""
        return gather(self.record.controls)

    @cached_property
    def references(self) -> dict[str, CaseScore]:
        """A score of each case, for its reference."""
        return {case: scores[0] for case, scores in self.groups[0].scores.items()}
