"""Preparation of all cases of a folder of scans, as ``nnunet-tv-prepare`` does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunet_tv.intake.dcm2niix import find_dcm2niix
from nnunet_tv.intake.find import FoundCase, find_cases
from nnunet_tv.intake.manual_pairs import ManualPair
from nnunet_tv.preparation.alignment import RegistrationOptions, check_options
from nnunet_tv.preparation.prepare_case import PreparationJob
from nnunet_tv.preparation.prepared_folder import PAGE, TABLE, PreparedFolder
from nnunet_tv.preparation.qc_html import qc_page
from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import write_if_changed
from nnunet_tv.utils.tables import write_tsv

COLUMNS = ("case", "t1", "flair", "t1_sha256", "flair_sha256", "status", "flags", "notes")
PREPARED = "prepared"


@dataclass(frozen=True)
class Preparation:
    """Result of :func:`prepare_folder`."""

    cases: tuple[FoundCase, ...]
    outcomes: tuple[CaseOutcome, ...]  #: one per case, in the same order
    remarks: tuple[str, ...] = ()  #: on the folders as a whole

    @property
    def failed(self) -> dict[str, str]:
        """Problem of each case that is not in the folder."""
        return {outcome.case: outcome.problem for outcome in self.outcomes if outcome.problem}


def prepare_folder(
    source: str | Path,
    out: str | Path,
    *,
    space: str = "mni",
    registration: RegistrationOptions | None = None,
    manual_pairs: Mapping[str, ManualPair] | None = None,
    keep_ids: bool = False,
    processes: int = 1,
) -> Preparation:
    """Prepare every case below `source` for ``nnUNetv2_predict``; what is up to date stays.

    Cases of earlier runs whose scans are not below `source` stay too, with a remark.

    Parameters
    ----------
    source : Path
        A BIDS tree, a folder per patient, NIfTI files or DICOM, as for
        :func:`~nnunet_tv.intake.find.find_cases`.
    out : Path
        New, or of an earlier run. Each case gets ``CASE_0000.nii.gz`` (T1w), ``CASE_0001.nii.gz`` (FLAIR) and
        ``CASE.prep.json``; ``preparation.tsv`` and ``qc.html`` summarise all.
    space : str
        Grid of the prepared images: ``mni`` (MNI152, 1 mm, brain only), ``t1`` (the T1w's, brain only) or ``none``
        (the T1w's, placed by the headers, with skull).
    registration : RegistrationOptions, optional
        Registration backend and brain mask method.
    manual_pairs : dict of str to ManualPair, optional
        Pairs of scans chosen by a person, by case.
    keep_ids : bool
        Use patient ids of DICOM as case names.
    processes : int
        Worker processes.

    Raises
    ------
    NnunetTVError
        Nothing to prepare; `out` was made by another program; a program that is needed is not installed; a worker
        process died.
    """
    source, out = Path(source), Path(out)
    if source.resolve() == out.resolve():
        raise NnunetTVError(f"{out}: -i and -o are the same folder: choose another output folder (-o)")
    registration = registration or RegistrationOptions()
    if space != "none":
        registration = check_options(registration)
    folder = PreparedFolder(out)
    folder.check_ours()
    found = find_cases(source, manual_pairs=manual_pairs, keep_ids=keep_ids, names=folder.study_names(), exclude=out)
    if any(scan.is_dicom for case in found.cases if case.pair for scan in case.pair.scans.values()):
        find_dcm2niix()
    with folder.opened(case.case for case in found.cases):
        if not keep_ids and found.studies:
            folder.write_study_names(found.studies)
        jobs = [PreparationJob(case=case.case, secrets=case.secrets, folder=folder, pair=case.pair, study=case.study,
                               space=space, registration=registration) for case in found.cases if case.pair]
        done = {outcome.case: outcome for outcome in folder.process_all(jobs, processes=processes, label="prepare")}
        for case in found.cases:
            if not case.pair:
                folder.withdraw(case.case)
        outcomes = [done.get(case.case) or CaseOutcome(case.case, problem=case.problem) for case in found.cases]
        remarks = list(found.remarks)
        if left := sorted(folder.known() - {case.case for case in found.cases}):
            remarks.append(f"{len(left)} cases of earlier runs are not in {source} and stay: {', '.join(left)}; to be "
                           "rid of them, delete their files or choose a new -o")
        rows = [_row(case, outcome) for case, outcome in zip(found.cases, outcomes, strict=True)]
        write_tsv(COLUMNS, rows, out / TABLE)
        write_if_changed(qc_page(outcomes, registration=space), out / PAGE)
    return Preparation(found.cases, tuple(outcomes), tuple(remarks))


def _row(case: FoundCase, outcome: CaseOutcome) -> list[str]:
    labels = [case.pair.names[channel] if case.pair else "" for channel in ("T1w", "FLAIR")]
    digests = [outcome.sha256.get(channel, "") for channel in ("T1w", "FLAIR")]
    notes = [outcome.problem] if outcome.problem else outcome.notes
    cells = [case.case, *labels, *digests, outcome.status(PREPARED), "; ".join(outcome.flags), "; ".join(notes)]
    return [" ".join(cell.split()) for cell in cells]
