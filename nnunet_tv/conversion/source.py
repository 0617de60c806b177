"""The cases of a data set and where their files are, as found in its layout; nothing is read yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PATIENT, CONTROL = "patient", "control"
TRAIN, SELECTION, TEST = "train", "selection", "test"


@dataclass(frozen=True)
class SourceCase:
    """One case of a data set."""

    case: str  #: letters, digits, ``-`` and ``_``
    group: str  #: ``patient``, ``control``, or empty where unknown
    channels: Mapping[str, Path] = field(default_factory=dict)  #: in the network's order; the first gives the grid
    label: Path | None = None  #: lesion mask; a control has none
    assigned: str = ""  #: ``train``, ``selection`` or ``test`` where the data set's authors decided
    problem: str = ""  #: why the case cannot be used; empty if it can
    notes: tuple[str, ...] = ()  #: peculiarities that were accepted
    person: str = ""  #: whose scans they are, where one person may have several cases
    side: str = ""  #: ``left`` or ``right`` where the data set's authors state the side of the lesion

    @property
    def files(self) -> dict[str, Path]:
        """Scans and mask by channel name and ``label``."""
        return {**self.channels, **({} if self.label is None else {"label": self.label})}

    @property
    def subject(self) -> str:
        """The person, or the case where each case is a person."""
        return self.person or self.case


@dataclass(frozen=True)
class SourceDataset:
    """A data set as found on disk."""

    folder: Path  #: sources are reported relative to it
    channels: tuple[str, ...]  #: names in the network's order
    labels: Mapping[str, int]  #: names and values, background 0
    label_on: str  #: the channel on which the masks were drawn
    cases: tuple[SourceCase, ...]  #: all of them, usable or not
    name: str  #: of the published data set that has this layout, or of the table
    licence: str = ""  #: of that data set; dataset.json has those that the source itself states
    reference: str = ""  #: to that data set; empty for a table
    one_grid: bool = False  #: whether all files of a case are published on one grid, so that another is an error
    options: Mapping[str, str] = field(default_factory=dict)  #: values of the data set's own options; for dataset.json
    remarks: tuple[str, ...] = ()  #: peculiarities of the data set as a whole
