"""nnunet-tv-convert: a public data set into an nnU-Net raw data set."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from nnunet_tv import cli
from nnunet_tv.cli.types import add_preparation, add_processes, dataset_name, whole_number

#: Data sets: the module that knows the layout (it has ``read(folder)``), and one line of help.
DATA_SETS = {
    "ds004199": ("nnunet_tv.dataset_conversion.ds004199", "OpenNeuro ds004199: FCD type II, T1w and FLAIR"),
}
DESCRIPTION = """Convert a public data set into an nnU-Net raw data set.

What is up to date stays; a killed run is continued by the same command. A case that cannot be used is named
with its file, the others are converted. Exit status: 0 all converted, 1 something was named, 2 usage."""


def _parser() -> argparse.ArgumentParser:
    result = cli.parser("nnunet-tv-convert", DESCRIPTION)
    sets = result.add_subparsers(dest="data_set", required=True, metavar="DATA_SET")
    for name, (_, line) in DATA_SETS.items():
        one = sets.add_parser(name, help=line, description=f"{line}.\n\n{DESCRIPTION}",
                              formatter_class=argparse.RawDescriptionHelpFormatter)
        one.add_argument("-i", "--input", type=Path, required=True, metavar="FOLDER", help="the downloaded data set")
        one.add_argument("-o", "--output", type=Path, metavar="RAW_ROOT", help="default: $nnUNet_raw")
        one.add_argument("--name", type=dataset_name, default="DatasetFCD",
                         help="folder in RAW_ROOT (default: %(default)s; Dataset085_FCD for nnU-Net's own -d 85)")
        one.add_argument("--split", choices=("paper", "official", "cv5"), default="paper",
                         help="paper: 59/12/14 of 85, our own seeded draw; official: the data set's train/test; "
                              "cv5: five folds (default: %(default)s)")
        one.add_argument("--repeats", type=whole_number(1),
                         help="runs on one split, run k is fold k (default: 10; not cv5)")
        one.add_argument("--controls", choices=("none", "test", "train"), default="none",
                         help="healthy controls, with an empty label: none, in imagesTs, or in imagesTr and every "
                              "fold's train (default: %(default)s)")
        one.add_argument("--register", choices=("none", "t1", "mni"), default="none",
                         help="none: all on the T1w's grid, by scanner coordinates; t1: FLAIR registered to the T1w; "
                              "mni: both on the MNI152 1 mm grid; t1 and mni keep the brain only "
                              "(default: %(default)s)")
        add_preparation(one)
        one.add_argument("--dry-run", action="store_true",
                         help="write and print the plan (conversion.plan.tsv); needs no voxels")
        add_processes(one)
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the command; exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.split == "cv5" and arguments.repeats is not None:
        parser.error("--repeats is for --split paper and official; cv5 has five folds")
    root = arguments.output or (Path(os.environ["nnUNet_raw"]) if os.environ.get("nnUNet_raw") else None)
    if root is None:
        parser.error("where to write? Give -o RAW_ROOT, or set it: export nnUNet_raw=/path/to/nnUNet_raw")
    return cli.run(lambda: _convert(arguments, root / arguments.name))


def _convert(arguments: argparse.Namespace, target: Path) -> int:
    from importlib import import_module

    from nnunet_tv.conversion.plan import Settings, make_plan
    from nnunet_tv.conversion.writer import convert, dry_run
    from nnunet_tv.preparation.align import check_choices
    from nnunet_tv.preparation.alignment import Choices

    module = import_module(DATA_SETS[arguments.data_set][0])
    choices = Choices(arguments.registration, arguments.brain)
    if arguments.register != "none":
        check_choices(choices)
    settings = Settings(arguments.split, arguments.repeats, arguments.controls, arguments.register, choices)
    plan = make_plan(module.read(arguments.input), settings)
    if arguments.dry_run:
        report = dry_run(plan, target)
        print((target / "conversion.plan.tsv").read_text(encoding="utf-8"), end="")
    else:
        report = convert(plan, target, processes=arguments.processes)
    _tell(report, target, dry=arguments.dry_run)
    return 0 if report.ok else 1


def _tell(report, target: Path, *, dry: bool) -> None:
    for case, lines in report.notes.items():
        for line in lines:
            print(f"note: {case}: {line}")
    for line in report.remarks:
        print(f"note: {line}")
    counts = report.counts
    did = "would hold" if dry else "holds"
    changed = "" if dry else f", {counts['changed']} written or moved in this run"
    print(f"{target} {did} {counts['training']} training and {counts['test']} test cases{changed}")
    if report.failed:
        print(f"\n{len(report.failed)} cases failed and are not in the data set:", file=sys.stderr)
        for case, problem in report.failed.items():
            print(f"  {case}: {problem}", file=sys.stderr)
        if not dry:
            print("Repair them and run the same command again; the details are in conversion.tsv.", file=sys.stderr)
    if report.incomplete:
        print(f"error: {report.incomplete}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
