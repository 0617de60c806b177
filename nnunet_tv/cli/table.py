"""``nnunet-tv-table``: list the T1w, the FLAIR and the lesion mask of each patient in a folder."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_tv.cli import parser, print_failed, run

if TYPE_CHECKING:
    from nnunet_tv.conversion.case_table import CaseTable

DESCRIPTION = """\
List the cases of your own data as a table for nnunet-tv-convert pairs: T1w, FLAIR and lesion mask of each patient,
and a seeded split of the patients into training (69 %), selection (14 %) and test (17 %).

  nnunet-tv-table -i scans -o cases.tsv

IN holds NIfTI files: a BIDS tree, a folder for each patient, or all files in one folder. Scans are recognised by
their names and sidecars, masks by lesion, mask, roi, label or seg in their names. Every mask is read: values, volume,
and whether it lies on the T1w or the FLAIR. Read the table before you use it; what could not be decided is an empty
cell, to be filled by hand. An existing table is never replaced.

Exit status: 0 all cases complete, 1 some are not or the input is unusable, 2 usage."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; exit status."""
    options = _parser().parse_args(argv)

    def action() -> int:
        from nnunet_tv.conversion.case_table import write_case_table

        done = write_case_table(options.input, options.output, controls=options.controls, masks=options.masks,
                                mask_name=options.mask_name)
        return _print(done, options.output)

    return run(action)


def _parser() -> argparse.ArgumentParser:
    result = parser("nnunet-tv-table", DESCRIPTION)
    add = result.add_argument
    add("-i", "--input", type=Path, required=True, metavar="IN", help="folder of the patients' scans")
    add("-o", "--output", type=Path, required=True, metavar="TABLE", help="table to write (.tsv); must not exist")
    add("--controls", type=Path, metavar="FOLDER", help="folder of the scans of people without a lesion")
    add("--masks", type=Path, metavar="FOLDER", help="folder of the lesion masks, named as their cases (default: IN)")
    add("--mask-name", default="", metavar="TEXT", help="part of the names of the lesion masks")
    return result


def _print(done: CaseTable, table: Path) -> int:
    for case in done.cases.values():
        if not case.problem:
            named = [f"{name} {path.name}" for name, path in case.scans.items()]
            mask = "no lesion" if case.label is None else f"mask {case.label.parent.name}/{case.label.name}, "
            print(f"{case.case}: {', '.join(named)}, {mask}{case.mask.text() if case.mask else ''}")
            for note in case.notes:
                print(f"  note: {note}")
    for line in done.remarks:
        print(f"note: {line}")
    sides = [case.split for case in done.cases.values()]
    counts = ", ".join(f"{sides.count(side)} {side}" for side in ("train", "selection", "test"))
    controls = sum(case.control for case in done.cases.values())
    print(f"{table}: {len(sides)} cases: {counts}{f', {controls} controls' if controls else ''}")
    label_on, mixed = done.label_on()
    if mixed:
        print(f"LOOK: {mixed}: --label-on takes one scan for all; resample the others onto it in a viewer",
              file=sys.stderr)
    print(f"Read the table. Then: nnunet-tv-convert pairs -i {shlex.quote(str(table))} --label-name FCD --label-on "
          f"{label_on} --space mni --dry-run")
    print_failed(done.problems, "table, or not complete in it",
                 "Repair them, delete the table and run the same command again, or fill the cells by hand.")
    return 1 if done.problems or mixed else 0


if __name__ == "__main__":
    raise SystemExit(main())
