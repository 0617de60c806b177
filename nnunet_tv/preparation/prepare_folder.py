"""A folder of scans -> a folder that nnU-Net predicts from: every case prepared, drawn and told."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_tv.intake.dcm2niix import find_dcm2niix
from nnunet_tv.intake.find import FoundCase, find_cases
from nnunet_tv.intake.manual_pairs import ManualPair
from nnunet_tv.preparation.prepare_case import Job, Outcome, prepare_job
from nnunet_tv.preparation.prepared_folder import PAGE, TABLE, PreparedFolder
from nnunet_tv.preparation.qc_html import qc_page
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import write_if_changed
from nnunet_tv.utils.parallel import each_case

COLUMNS = ("case", "t1", "flair", "t1_sha256", "flair_sha256", "status", "flags", "notes")
PREPARED, FLAGGED, FAILED = "prepared", "flagged", "failed"


@dataclass(frozen=True)
class Preparation:
    """What a run did.

    Attributes
    ----------
    cases : tuple of FoundCase
        What was found; DICOM series with their files.
    outcomes : tuple of Outcome
        What became of each, in the same order.
    remarks : tuple of str
        On the folders as a whole.
    """

    cases: tuple[FoundCase, ...]
    outcomes: tuple[Outcome, ...]
    remarks: tuple[str, ...] = field(default=())

    @property
    def failed(self) -> dict[str, str]:
        """Problem of each case that is not in the folder."""
        return {outcome.case: outcome.problem for outcome in self.outcomes if outcome.problem}


def prepare_folder(
    source: str | Path,
    out: str | Path,
    *,
    manual_pairs: Mapping[str, ManualPair] | None = None,
    keep_ids: bool = False,
    processes: int = 1,
    **options: Any,
) -> Preparation:
    """Prepare every case below `source` into `out`; what is up to date stays.

    Cases that earlier runs made from other inputs stay too, and are told.

    Parameters
    ----------
    source : Path
        As for :func:`~nnunet_tv.intake.find.find_cases`.
    out : Path
        New, or of an earlier run.
    manual_pairs : dict of str to ManualPair, optional
        Pairs that a person named.
    keep_ids : bool
        Keep patients' ids of DICOM in names.
    processes : int
        Worker processes.
    **options
        Of :func:`~nnunet_tv.preparation.chain.prepare_case`; ``registration`` is ``mni`` if left out.

    Raises
    ------
    NnunetTVError
        Nothing to prepare; `out` is not ours; dcm2niix is needed and missing; a worker died.
    """
    source, out = Path(source), Path(out)
    if source.resolve() == out.resolve():
        raise NnunetTVError(f"{out}: -i and -o are the same folder: choose another output folder (-o)")
    options = {"registration": "mni", **options}
    folder = PreparedFolder(out)
    folder.check_ours()
    found = find_cases(source, manual_pairs=manual_pairs, keep_ids=keep_ids, names=folder.study_names(), exclude=out)
    if any(scan.is_dicom for case in found.cases if case.pair for scan in case.pair.scans.values()):
        find_dcm2niix()
    with folder.opened(case.case for case in found.cases):
        if not keep_ids and found.studies:
            folder.write_study_names(found.studies)
        outcomes = _outcomes(found.cases, folder, options, processes)
        left = sorted(folder.known() - {case.case for case in found.cases})
        remarks = [*found.remarks]
        if left:
            remarks.append(f"{len(left)} cases of earlier runs are not in {source} and stay: {', '.join(left)}; to be "
                           "rid of them, delete their files or choose a new -o")
        write_if_changed(_table(found.cases, outcomes), out / TABLE)
        write_if_changed(qc_page(outcomes, registration=options["registration"]), out / PAGE)
    return Preparation(found.cases, tuple(outcomes), tuple(remarks))


def _outcomes(
    cases: tuple[FoundCase, ...], folder: PreparedFolder, options: Mapping[str, Any], processes: int
) -> list[Outcome]:
    jobs = [Job(case, folder, dict(options)) for case in cases if case.pair]
    done = {outcome.case: outcome for outcome in each_case(prepare_job, jobs, processes=processes, label="prepare")
            if isinstance(outcome, Outcome)}
    for case in cases:
        if not case.pair:
            folder.remove(case.case)  # what it was once made from is gone
            done[case.case] = Outcome(case.case, problem=case.problem)
    return [done[case.case] for case in cases]


def status(outcome: Outcome) -> str:
    """``prepared``, ``flagged`` (prepared, but look first) or ``failed``."""
    return FAILED if outcome.problem else FLAGGED if outcome.flags else PREPARED


def _table(cases: tuple[FoundCase, ...], outcomes: list[Outcome]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(COLUMNS)
    for case, outcome in zip(cases, outcomes, strict=True):
        scans = case.pair.scans if case.pair else {}
        labels = [scans[channel].label if channel in scans else "" for channel in ("T1w", "FLAIR")]
        digests = [outcome.sha256.get(channel, "") for channel in ("T1w", "FLAIR")]
        notes = [outcome.problem] if outcome.problem else outcome.notes
        cells = [case.case, *labels, *digests, status(outcome), "; ".join(outcome.flags), "; ".join(notes)]
        writer.writerow([" ".join(cell.split()) for cell in cells])
    return text.getvalue()
