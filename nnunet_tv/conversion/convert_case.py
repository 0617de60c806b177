"""Conversion of one case, in a worker process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.conversion.folder import RawFolder
from nnunet_tv.imaging.volume import write_volume
from nnunet_tv.preparation.alignment import RegistrationOptions
from nnunet_tv.preparation.chain import CHAIN_VERSION, prepare_case
from nnunet_tv.preparation.prepare_case import prepared_outcome, write_prepared
from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.files import sha256


@dataclass(frozen=True)
class ConversionJob:
    """A case to convert.

    Attributes
    ----------
    case : str
        Case identifier.
    channels : dict of str to Path
        Scans in the network's order.
    label : Path, optional
        Lesion mask; without it the label is empty (a control).
    label_on, one_grid
        As for :func:`~nnunet_tv.preparation.chain.prepare_case`.
    space : str
        ``none``, ``t1`` or ``mni``.
    registration : RegistrationOptions
        Without effect where `space` is ``none``.
    folder : RawFolder
        The data set.
    training : bool
        Whether the case goes to imagesTr (else imagesTs).
    """

    case: str
    channels: Mapping[str, Path]
    label: Path | None
    label_on: str
    space: str
    folder: RawFolder
    training: bool
    registration: RegistrationOptions = field(default_factory=RegistrationOptions)
    one_grid: bool = False
    secrets: frozenset[str] = frozenset()

    @property
    def outputs(self) -> dict[str, Path]:
        """Final paths."""
        return self.placed(self.training)

    def placed(self, training: bool) -> dict[str, Path]:
        """Final paths in imagesTr and labelsTr, or in imagesTs and labelsTs."""
        return self.folder.outputs(self.case, len(self.channels), training, registered=self.space != "none")

    def digests(self) -> Iterator[tuple[str, str]]:
        """Of the scans and the mask that exist."""
        for name, path in {**self.channels, **({} if self.label is None else {"label": self.label})}.items():
            if path.is_file():
                yield name, sha256(path)

    def made_from(self, digests: Mapping[str, str]) -> dict[str, Any]:
        """Sources and options."""
        options = {} if self.space == "none" else {"choices": asdict(self.registration)}
        return {"sources": dict(digests), "channels": list(self.channels), "label_on": self.label_on,
                "registration": self.space, "version": f"{__version__}, chain {CHAIN_VERSION}", **options}

    def make(self, staging: Path, digests: Mapping[str, str]) -> CaseOutcome:
        """Prepare the case into `staging`."""
        prepared = prepare_case(self.case, self.channels, self.label, label_on=self.label_on,
                                registration=self.space, choices=self.registration, one_grid=self.one_grid)
        staged = {key: staging / path.name for key, path in self.outputs.items()}
        write_prepared(prepared, self.channels, staged,
                       scans={name: {"file": path.name} for name, path in self.channels.items()})
        write_volume(prepared.label, staged["label"])
        return prepared_outcome(prepared)


def convert_case(job: ConversionJob) -> CaseOutcome:
    """Convert a case unless its sources, the options, the program version and its files are unchanged."""
    return job.folder.process(job)
