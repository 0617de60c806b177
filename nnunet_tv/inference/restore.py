"""Segmentations of prepared scans, brought back to the grids of the original scans."""

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

from nnunet_tv.imaging.probability import check_probability, read_npz
from nnunet_tv.imaging.volume import Volume, read_mask, read_volume, same_grid, write_volume
from nnunet_tv.inference.native import NativeResult, to_native_grids
from nnunet_tv.inference.trained_on import SYNTHETIC, TrainedOn
from nnunet_tv.postprocessing import ENDING, segmentation_names
from nnunet_tv.preparation.provenance import ENDING as RECORD_ENDING
from nnunet_tv.preparation.provenance import T1_NAMES, Provenance
from nnunet_tv.utils.case_outcome import CaseOutcome, attempt
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import remove_partial
from nnunet_tv.utils.numbers import rounded
from nnunet_tv.utils.parallel import each_case

PROBABILITY, DEVIATION = "prob", "std"
KINDS = ("", PROBABILITY, DEVIATION)  #: of files: the mask and its maps


def output_path(out: str | Path, case: str, channel: str, kind: str = "") -> Path:
    """``OUT/CASE_T1w_fcd.nii.gz``; with `kind` ``prob`` or ``std``, ``OUT/CASE_T1w_fcd_prob.nii.gz``."""
    return Path(out) / f"{case}_{channel}_fcd{'_' + kind if kind else ''}{ENDING}"


def restore_folder(
    predictions: str | Path, prepared: str | Path, out: str | Path, *, processes: int = 1
) -> list[CaseOutcome]:
    """Bring every segmentation of a folder back to the grids of the original scans.

    Parameters
    ----------
    predictions : Path
        ``CASE.nii.gz`` on the prepared grid, as nnU-Net writes them, filtered or not, and optionally their
        probabilities, ``CASE.npz`` of nnU-Net or ``CASE_prob.nii.gz``.
    prepared : Path
        Folder of the network's input, with ``CASE.prep.json``.
    out : Path
        Folder for ``CASE_T1w_fcd.nii.gz``, ``CASE_FLAIR_fcd.nii.gz`` (uint8) and, with probabilities,
        ``…_fcd_prob.nii.gz`` (float32, rounded to 0.001). Existing files are replaced.
    processes : int
        Worker processes.

    Returns
    -------
    list of CaseOutcome
        One per segmentation, then one with a problem per prepared case without one. Files that an earlier run wrote
        for a failed case are deleted.

    Raises
    ------
    NnunetTVError
        A folder is missing, `predictions` has no segmentation, or `out` is one of the other two.
    """
    predictions, prepared, out = Path(predictions), Path(prepared), Path(out)
    for folder, what in ((predictions, "-i: expected a folder of segmentations"),
                         (prepared, "-p: expected the folder that nnunet-tv-prepare wrote")):
        if not folder.is_dir():
            raise NnunetTVError(f"{folder}: no such folder ({what})")
        if out.resolve() == folder.resolve():
            raise NnunetTVError(f"{out}: -o is also an input folder: choose another, so that restored masks are not "
                                "taken for predictions")
    cases = prediction_cases(predictions)
    if not cases:
        raise NnunetTVError(f"{predictions}: expected segmentations (CASE{ENDING}), found none")
    remove_partial(out)
    trained_on = TrainedOn.of_folder(predictions) or TrainedOn()  # nnU-Net leaves the model's dataset.json there
    work = partial(_restore_case, predictions=predictions, prepared=prepared, out=out,
                   warning=SYNTHETIC if trained_on.synthetic else "")
    done = each_case(work, cases, processes=processes, label="restore")
    known = {path.name.removesuffix(RECORD_ENDING) for path in prepared.glob(f"*{RECORD_ENDING}")}
    lost = [CaseOutcome(case, problem=f"prepared, but without a segmentation in {predictions}: predict it too")
            for case in sorted(known.difference(cases))]
    for outcome in lost:
        _withdraw(outcome.case, out)
    return [*(outcome for outcome in done if isinstance(outcome, CaseOutcome)), *lost]


def _withdraw(case: str, out: Path) -> None:
    """Delete files that an earlier run wrote for a case that has failed now."""
    for channel, kind in product((*T1_NAMES, "FLAIR"), KINDS):
        output_path(out, case, channel, kind).unlink(missing_ok=True)


def prediction_cases(folder: str | Path) -> list[str]:
    """Cases with a segmentation in a folder, sorted; ``CASE_prob.nii.gz`` beside ``CASE.nii.gz`` is none."""
    names = {name.removesuffix(ENDING) for name in segmentation_names(folder)}
    maps = {f"{name}_{kind}" for name in names for kind in (PROBABILITY, DEVIATION)}
    return sorted(names - maps)


def _restore_case(case: str, *, predictions: Path, prepared: Path, out: Path, warning: str) -> CaseOutcome:
    def work() -> CaseOutcome:
        record = Provenance.read(prepared / f"{case}{RECORD_ENDING}")
        path = predictions / f"{case}{ENDING}"
        mask = read_mask(path, case=case)
        _check_grid(mask, record, path)
        probability = read_probability(predictions, mask, record)
        native = to_native_grids(record, mask, {PROBABILITY: probability} if probability else {})
        outcome = write_native(native, out, warning=warning)
        return replace(outcome, notes=(*outcome.notes, *(gap.text for gap in record.coverage or () if gap.stated)))

    outcome = attempt(case, work)
    if outcome.problem:
        _withdraw(case, out)
    return outcome


def write_native(result: NativeResult, out: str | Path, *, warning: str = "") -> CaseOutcome:
    """Write masks and maps on the grids of the original scans; maps in `out` of a kind that is missing are deleted.

    `warning` is written into the files' headers. The outcome's files are by channel and kind: ``T1w`` (a mask),
    ``FLAIR_std`` …
    """
    files = {}
    for channel, volumes in result.volumes.items():
        for kind in KINDS:
            path = output_path(out, result.case, channel, kind)
            if kind in volumes:
                write_volume(volumes[kind], path, description=warning)
                files[f"{channel}_{kind}" if kind else channel] = path
            else:
                path.unlink(missing_ok=True)
    return CaseOutcome(result.case, files=files, notes=result.notes, changed=True)


def read_probability(folder: str | Path, mask: Volume, record: Provenance) -> Volume | None:
    """Lesion probability of a case on the prepared grid; None where a folder holds none.

    ``CASE_prob.nii.gz`` is taken before ``CASE.npz``. A CaseError is raised for one that is unreadable, not of one
    foreground class, on another grid, outside of 0..1, or low where the mask is.
    """
    folder, case = Path(folder), record.case
    path = folder / f"{case}_{PROBABILITY}{ENDING}"
    if path.exists():
        volume = read_volume(path, case=case)
        _check_grid(volume, record, path)
    elif (path := folder / f"{case}.npz").exists():
        volume = read_npz(path, record.grid, case=case, name="prepared grid", advice="the folder -p is "
                          "not what this was predicted from; give the right one, or predict again")
    else:
        return None
    check_probability(volume, mask, case=case, path=path)
    return volume


def _check_grid(volume: Volume, record: Provenance, path: Path) -> None:
    grid = record.grid
    if not same_grid(volume, grid):
        expected, found = ([rounded(value, 2) for value in one.affine[:3, 3]] for one in (grid, volume))
        raise CaseError(record.case, f"expected the prepared grid ({grid.shape} voxels, {grid.orientation}, first at "
                        f"{expected} mm), found {volume.shape}, {volume.orientation}, {found}: the folder -p is not "
                        "what this was predicted from; give the right one, or predict again", path)
