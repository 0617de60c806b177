"""Conversion of one case, in a worker process."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.conversion.folder import RawFolder
from nnunet_tv.conversion.source import SourceCase
from nnunet_tv.conversion.stated_side import check_side
from nnunet_tv.imaging.volume import write_volume
from nnunet_tv.preparation.alignment import RegistrationOptions
from nnunet_tv.preparation.chain import CHAIN_VERSION, prepare_case
from nnunet_tv.preparation.prepare_case import write_prepared
from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.case_store import CaseJob
from nnunet_tv.utils.files import sha256


@dataclass(frozen=True, kw_only=True)
class ConversionJob(CaseJob):
    """A case to convert; `label_on` and `one_grid` as for :func:`~nnunet_tv.preparation.chain.prepare_case`."""

    folder: RawFolder
    source: SourceCase  #: without a mask the label is empty (a control)
    label_on: str
    one_grid: bool
    space: str
    registration: RegistrationOptions
    training: bool  #: whether the case goes to imagesTr (else imagesTs)

    @property
    def outputs(self) -> dict[str, Path]:
        return self.folder.outputs(self.case, len(self.source.channels), self.training,
                                   registered=self.space != "none")

    def digests(self) -> Iterator[tuple[str, str]]:
        return ((name, sha256(path)) for name, path in self.source.files.items() if path.is_file())

    def made_from(self, digests: Mapping[str, str]) -> dict[str, Any]:
        options = {} if self.space == "none" else {"choices": asdict(self.registration)}
        side = {"side": self.source.side} if self.source.side else {}
        return {"sources": dict(digests), "channels": list(self.source.channels), "label_on": self.label_on,
                "registration": self.space, "version": f"{__version__}, chain {CHAIN_VERSION}", **options,
                **side}

    def make(self, staging: Path, digests: Mapping[str, str]) -> CaseOutcome:
        prepared = prepare_case(self.case, self.source.channels, self.source.label, label_on=self.label_on,
                                space=self.space, registration=self.registration, one_grid=self.one_grid)
        checked = check_side(self.case, prepared.label, self.source.side, space=self.space)
        prepared = replace(prepared, notes=(*prepared.notes, *checked))
        staged = {key: staging / path.name for key, path in self.outputs.items()}
        scans = {name: {"file": path.name} for name, path in self.source.channels.items()}
        write_volume(prepared.label, staged["label"])
        return write_prepared(prepared, staged, scans=scans)
