"""What a converter for one data set hands over: its cases and where their files are, nothing read yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PATIENT, CONTROL = "patient", "control"
TRAIN, SELECTION, TEST = "train", "selection", "test"


@dataclass(frozen=True)
class SourceCase:
    """One case of a data set.

    Attributes
    ----------
    case : str
        Case identifier: letters, digits, ``-`` and ``_``.
    group : str
        ``patient``, ``control``, or empty where the data set does not say.
    channels : dict of str to Path
        Scans by channel name, in the order of the network's channels; the first gives the grid.
    label : Path, optional
        Lesion mask. A control has none.
    assigned : str
        ``train``, ``selection`` or ``test`` where the data set's authors decided, else empty.
    problem : str
        Why the case cannot be used; empty if it can.
    notes : tuple of str
        What is odd about it and was accepted.
    person : str
        Whose scans they are, where one person may have several cases; empty: the case is the person.
    """

    case: str
    group: str
    channels: Mapping[str, Path] = field(default_factory=dict)
    label: Path | None = None
    assigned: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()
    person: str = ""

    @property
    def files(self) -> dict[str, Path]:
        """Scans and mask by what they are: channel names and ``label``."""
        return {**self.channels, **({} if self.label is None else {"label": self.label})}


@dataclass(frozen=True)
class SourceDataset:
    """A data set as found on disk.

    Attributes
    ----------
    folder : Path
        Where it lies; sources are told relative to it.
    channels : tuple of str
        Channel names in the network's order.
    labels : dict of str to int
        Label names and values, background 0.
    label_on : str
        The channel on which the masks were drawn.
    cases : tuple of SourceCase
        All of them, usable or not.
    name, licence, reference : str
        For dataset.json.
    one_grid : bool
        Whether all files of a case are on one grid as published, so that another grid is an error.
    options : dict of str to str
        What was chosen of the data set's own options; for dataset.json.
    remarks : tuple of str
        What is odd about the data set as a whole and was accepted.
    """

    folder: Path
    channels: tuple[str, ...]
    labels: Mapping[str, int]
    label_on: str
    cases: tuple[SourceCase, ...]
    name: str
    licence: str
    reference: str
    one_grid: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
