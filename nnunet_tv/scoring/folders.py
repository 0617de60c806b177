"""Score folders of predictions against a folder of references: every case gets a row and a status."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from nnunet_tv.metrics.hit_rules import parse_rules
from nnunet_tv.postprocessing import ENDING, segmentation_names
from nnunet_tv.scoring.case_scoring import ScoringOptions, score_one
from nnunet_tv.scoring.prediction_settings import ARGUMENTS
from nnunet_tv.scoring.rows import RAW, STAGES, CaseFlow, CaseRow, Scores, add_parts
from nnunet_tv.scoring.runs import Run, segmentations
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.parallel import each_case

#: Images that nnU-Net reads and this report does not.
_OTHER_ENDINGS = (".nii", ".mha", ".nrrd")


def score_folders(
    reference: str | Path,
    runs: Sequence[Run],
    *,
    cases: Sequence[str] | None = None,
    options: ScoringOptions | None = None,
    processes: int = 1,
) -> Scores:
    """Score every run on every reference, one volume at a time.

    Cases are matched by file name. A prediction stored with other axis directions on the same grid is turned; any
    other difference of geometry is an error. Only ``*.nii.gz`` are read, and predictions without a reference are named
    in a warning. Cases that cannot be scored (missing, other geometry, unusable) have rows and problems too.

    `reference` contains ``CASE.nii.gz`` with labels 0 and 1, which define the cases; with `cases`, only these are
    scored.

    Raises
    ------
    NnunetTVError
        A folder is missing or is both predictions and references, there are no references or runs, one of them is
        in another format (without `cases`), or a case of `cases` has no reference.
    ValueError
        An unusable hit rule.
    """
    reference = Path(reference)
    if not runs:
        raise NnunetTVError("no predictions to score")
    if not reference.is_dir():
        raise NnunetTVError(f"{reference}: no such folder")
    _check_folders(runs, reference)
    found = [name.removesuffix(ENDING) for name in segmentation_names(reference)]
    other = sorted(path.name for path in reference.iterdir() if path.suffix in _OTHER_ENDINGS
                   and not path.name.startswith(".") and path.stem not in found)
    if other and cases is None:
        raise NnunetTVError(f"{reference}: references that are not CASE{ENDING} would be left out: {', '.join(other)}; "
                            f"save them as {ENDING}, or take them out of the folder")
    if not found:
        raise NnunetTVError(f"{reference}: expected references (CASE{ENDING}), found none")
    chosen = found if cases is None else sorted(set(cases))
    if absent := sorted(set(chosen) - set(found)):
        raise NnunetTVError(f"{reference}: no reference (CASE{ENDING}) for {', '.join(absent)}")
    scores = _score(reference, chosen, runs, options, processes)
    unscored = _unscored_predictions(runs, chosen)
    extra = [] if cases is not None else [
        f"{folder}: {len(names)} predictions without a reference, not scored: {', '.join(names)}"
        for folder, names in unscored.items()]
    flow = CaseFlow(tuple(found), tuple(case for case in found if case not in chosen), unscored)
    return replace(scores, warnings=[*extra, *scores.warnings], flow=flow)


def score_controls(runs: Sequence[Run], *, options: ScoringOptions | None = None, processes: int = 1) -> Scores:
    """Count clusters in predictions of subjects without a lesion, which need no folder of references.

    The cases are those of all folders together; a run without one of them is a problem. Candidates are found in the
    probabilities of runs that have them, with the checks of :func:`score_folders`; all are false. An NnunetTVError is
    raised if a folder is missing or there are no predictions.
    """
    if not runs:
        raise NnunetTVError("no predictions of controls to score")
    _check_folders(runs)
    cases = sorted({case for run in runs for fold in run.folds() for case in segmentations(fold.raw)})
    if not cases:
        raise NnunetTVError(f"{runs[0].raw}: expected predictions of controls (CASE{ENDING}), found none")
    options = replace(options or ScoringOptions(), distances=False, allow_missing=False)
    return _score(None, cases, runs, options, processes)


def patients_as_controls(rows: Sequence[CaseRow], runs: Sequence[Run], controls: Sequence[Run]) -> list[str]:
    """Problems: predictions of a subject with a lesion that are given as a control's, too."""
    folders = {fold.raw.resolve() for run in runs for fold in run.folds()}
    shared = {fold.raw for run in controls for fold in run.folds() if fold.raw.resolve() in folders}
    lesion = {row.case for row in rows if row.score is not None and row.score.n_lesions}
    return [f"{case}: {folder / (case + ENDING)}: given as a control's prediction, but the reference has a lesion; "
            "give controls in a folder of their own"
            for folder in sorted(shared) for case in segmentations(folder) if case in lesion]


def _check_folders(runs: Sequence[Run], reference: Path | None = None) -> None:
    for name in ("plans.json", ARGUMENTS):
        if reference is not None and (reference / name).is_file():
            raise NnunetTVError(f"{reference}: expected references, found {name}, which nnU-Net writes beside its "
                                "predictions; give the folder of labels with --ref, and predictions with --pred")
    for folder in [folder for run in runs for folder in run.folders()]:
        if not folder.is_dir():
            raise NnunetTVError(f"{folder}: no such folder")
        if reference is not None and folder.resolve() == reference.resolve():
            raise NnunetTVError(f"{folder}: given as predictions and as references; scoring references against "
                                "themselves is always perfect")
    for fold in [fold for run in runs for fold in run.folds()]:
        if fold.filtered is not None and fold.filtered.resolve() == fold.raw.resolve():
            raise NnunetTVError(f"{fold.raw}: given as raw and as post-processed predictions of {fold.group}; leave "
                                "the second out and the filter is applied in memory")


def _score(
    reference: Path | None, cases: Sequence[str], runs: Sequence[Run], options: ScoringOptions | None, processes: int
) -> Scores:
    options = options or ScoringOptions()
    options = replace(options, hits=tuple(str(rule) for rule in parse_rules(options.hits)))
    parts = each_case(partial(score_one, reference=reference, runs=tuple(runs), options=options), cases,
                      processes=processes, label="score")
    scores = Scores()
    add_parts(scores, parts)
    order = {(run.group, run.run): position for position, run in enumerate(runs)}
    scores.rows.sort(key=lambda row: (order[row.group, row.run], STAGES.index(row.stage), row.case))
    scores.candidates.sort(key=lambda one: (order[one.group, one.run], one.case))
    return replace(scores, warnings=[*_equal_runs(runs, cases, scores.inputs), *scores.warnings])


def _unscored_predictions(runs: Sequence[Run], cases: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Predictions of other cases in each folder; the folds of a cross-validation have cases of their own."""
    expected: dict[Path, set[str]] = {}
    for run in runs:
        for fold in run.folds():
            own = {case for case in cases if run.of(case) is fold}
            for folder in (fold.raw, fold.filtered):
                if folder is not None:
                    expected.setdefault(folder, set()).update(own)
    extra = {str(folder): tuple(case for case in segmentations(folder) if case not in own)
             for folder, own in expected.items()}
    return {folder: names for folder, names in extra.items() if names}


def _equal_runs(runs: Sequence[Run], cases: Sequence[str], inputs: dict[str, str]) -> list[str]:
    """Runs whose files are byte-identical, so that their spread is not that of independent runs."""
    seen: dict[tuple, Run] = {}
    warnings = []
    for run in runs:
        digests = tuple(inputs.get(str(run.file(RAW, case))) for case in cases)
        first = seen.setdefault(digests, run)
        if first is not run and None not in digests:
            warnings.append(f"the predictions of {first.group}, run {first.run}, and {run.group}, run {run.run}, are "
                            f"the same files, byte by byte ({first.raw}, {run.raw}): not two independent runs")
    return warnings
