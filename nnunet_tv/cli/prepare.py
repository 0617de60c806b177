"""nnunet-tv-prepare: scans as they come -> a folder that nnU-Net predicts from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nnunet_tv.cli import parser, run
from nnunet_tv.cli.types import add_preparation, add_processes, add_space
from nnunet_tv.conversion.dataset_spec import SPACES

DESCRIPTION = """\
Prepare patients' scans for nnUNetv2_predict: find the T1w and the FLAIR of every case, bring them onto one grid,
and write CASE_0000.nii.gz (T1w), CASE_0001.nii.gz (FLAIR), CASE.prep.json, preparation.tsv and qc.html.

  nnunet-tv-prepare -i scans -o imagesTs

IN is a BIDS tree, a folder for each patient, NIfTI files in one folder, or DICOM (needs dcm2niix). Scans are told
apart by their headers, sidecars and names. A case with none or several T1w or FLAIR is an error that lists what was
seen; choose its pair by hand and run again: what is up to date stays.

For research use only. DICOM cases are called case-0001 ...; names, ids and birth dates stay out of file names and
messages unless --keep-ids. Exit status: 0 all prepared, 1 something was named, 2 usage."""


def main(argv: list[str] | None = None) -> int:
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
        _tell(done, options.output)
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
    add("--pair", action="extend", nargs="+", default=[], metavar="CASE,T1,FLAIR",
        help="which scans a case has: paths below IN, or series as listed (DICOM)")
    add("--pairs", type=Path, metavar="TABLE",
        help="the same as a tab-separated table with the columns case, t1, flair")
    add("--keep-ids", action="store_true",
        help="name DICOM cases by the patient's id, and show descriptions as they are")
    add_processes(result)
    return result


def _tell(done, out: Path) -> None:
    for case, outcome in zip(done.cases, done.outcomes, strict=True):
        if outcome.problem:
            continue
        scans = ", ".join(f"{channel} {_named(scan)} ({case.pair.reasons[channel]})"
                          for channel, scan in case.pair.scans.items())
        print(f"{case.case}: {scans}{'' if outcome.changed else '; up to date'}")
        for note in outcome.notes:
            print(f"  note: {note}")
        for flag in outcome.flags:
            print(f"  LOOK: {flag}")
    for line in done.remarks:
        print(f"note: {line}")
    flagged = sum(not outcome.problem and bool(outcome.flags) for outcome in done.outcomes)
    made = len(done.outcomes) - len(done.failed)
    print(f"{out}: {made} cases prepared, {flagged} of them flagged; look at {out / 'qc.html'}")
    if done.failed:
        print(f"\n{len(done.failed)} cases failed and are not in the folder:", file=sys.stderr)
        for case, problem in done.failed.items():
            print(f"  {case}: {problem}", file=sys.stderr)
        print("Run the same command again when they are repaired or paired by hand.", file=sys.stderr)


def _named(scan) -> str:
    """Label of a scan; of a DICOM series also its description."""
    return f"{scan.label} {scan.metadata.names[0]!r}" if scan.is_dicom and scan.metadata.names else scan.label


if __name__ == "__main__":
    raise SystemExit(main())
