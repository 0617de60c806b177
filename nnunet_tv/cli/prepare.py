"""``nnunet-tv-prepare``: prepare scans for ``nnUNetv2_predict``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_tv.cli import parser, print_failed, run
from nnunet_tv.cli.types import add_preparation, add_processes, add_scan_options, add_space
from nnunet_tv.conversion.dataset_spec import SPACES
from nnunet_tv.utils.numbers import counted

if TYPE_CHECKING:
    from nnunet_tv.intake.series_metadata import Series
    from nnunet_tv.preparation.prepare_folder import Preparation

DESCRIPTION = """\
Prepare patients' scans for nnUNetv2_predict: find the T1w and the FLAIR of every case, bring them onto one grid,
and write CASE_0000.nii.gz (T1w), CASE_0001.nii.gz (FLAIR), CASE.prep.json, preparation.tsv and qc.html.

  nnunet-tv-prepare -i scans -o imagesTs

IN is a BIDS tree, a folder for each patient, NIfTI files in one folder, or DICOM (needs dcm2niix). Scans are
distinguished by their headers, sidecars and names. A case with none or several T1w or FLAIR is an error that lists
what was found; name its scans with --pair and run again: what is up to date stays.

For research use only. DICOM cases are called case-0001 ...; names, ids and birth dates stay out of file names and
messages unless --keep-ids. Exit status: 0 all prepared, 1 a case failed or the input is unusable, 2 usage."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; exit status."""
    options = _parser().parse_args(argv)

    def action() -> int:
        from nnunet_tv.intake.manual_pairs import read_manual_pairs
        from nnunet_tv.preparation.alignment import RegistrationOptions
        from nnunet_tv.preparation.prepare_folder import prepare_folder

        done = prepare_folder(
            options.input, options.output, manual_pairs=read_manual_pairs(options.pair, options.pairs),
            keep_ids=options.keep_ids, processes=options.processes, space=options.space,
            registration=RegistrationOptions(options.registration_backend, options.brain))
        _print_outcomes(done, options.output)
        return 1 if done.failed else 0

    return run(action)


def _parser() -> argparse.ArgumentParser:
    result = parser("nnunet-tv-prepare", DESCRIPTION)
    add = result.add_argument
    add("-i", "--input", type=Path, required=True, metavar="IN", help="folder of scans")
    add("-o", "--output", type=Path, required=True, metavar="OUT",
        help="folder for the prepared cases; new, or of an earlier run")
    add_space(
        result, choices=tuple(SPACES), default="mni",
        help="mni: onto the MNI152 1 mm grid, brain only, as the network is trained by default; t1: FLAIR onto the "
             "T1w; none: by the headers' coordinates (default: %(default)s)")
    add_preparation(result)
    add_scan_options(result)
    add_processes(result)
    return result


def _print_outcomes(done: Preparation, out: Path) -> None:
    for case, outcome in zip(done.cases, done.outcomes, strict=True):
        if outcome.problem or case.pair is None:
            continue
        scans = [f"{channel} {_described(scan)} ({case.pair.reasons[channel]})"
                 for channel, scan in case.pair.scans.items()]
        print(f"{case.case}: {', '.join(scans)}{'' if outcome.changed else '; up to date'}")
        for note in outcome.notes:
            print(f"  note: {note}")
        for flag in outcome.flags:
            print(f"  LOOK: {flag}")
    for line in done.remarks:
        print(f"note: {line}")
    flagged = sum(not outcome.problem and bool(outcome.flags) for outcome in done.outcomes)
    print(f"{out}: {counted(len(done.outcomes) - len(done.failed), 'case')} prepared, {flagged} of them flagged; "
          f"look at {out / 'qc.html'}")
    print_failed(done.failed, "folder", "Run the same command again when they are repaired or paired.")


def _described(scan: Series) -> str:
    """Label of a scan; of a DICOM series also its description."""
    return f"{scan.label} {scan.metadata.names[0]!r}" if scan.is_dicom and scan.metadata.names else scan.label


if __name__ == "__main__":
    raise SystemExit(main())
