"""``nnunet-tv-report``: Table 1, a row per case and pictures from folders of segmentations."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nnunet_tv.cli import parser, run
from nnunet_tv.cli.types import add_processes, whole_number

DESCRIPTION = """\
Score folders of predictions against references: Table 1 (Sens, Prec, DC, sSens, nFPC; mean ± sample standard
deviation over runs), raw and post-processed, every case in cases.csv, and a picture of every case.

  nnunet-tv-report --ref labelsTs --pred Dice=run0 Dice=run1 --pred Dice+TV=tv0 Dice+TV=tv1 -o report

A NAME given several times is several runs of one group. Exit status: 0 scored; 1 a prediction is missing, on
another grid or unusable (each is named; no table is written); 2 usage.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 scored, 1 problems (named on stderr), 2 usage."""
    arguments = _parser()
    options = arguments.parse_args(argv)
    pairs = _pair(arguments, options.pred, options.pred_pp)

    def action() -> int:
        from nnunet_tv.evaluation import Run
        from nnunet_tv.evaluation.report import make_report

        size = {"min_voxels": options.min_voxels} if options.min_mm3 is None else {"min_mm3": options.min_mm3}
        scores = make_report(
            reference=options.ref,
            runs=[Run(*pair) for pair in pairs],
            out=options.out,
            images=options.images,
            with_paper=options.paper,
            connectivity=options.connectivity,
            filter_settings={**size, "connectivity": options.connectivity},
            processes=options.processes,
            remark=options.remark,
            command=["nnunet-tv-report", *(sys.argv[1:] if argv is None else argv)],
        )
        for text in scores.warnings:
            print(f"warning: {text}", file=sys.stderr)
        for text in scores.problems:
            print(f"error: {text}", file=sys.stderr)
        if scores.problems:
            plural = "s" if len(scores.problems) > 1 else ""
            print(f"error: {len(scores.problems)} problem{plural}, so no table; every case's status is in "
                  f"{options.out / 'cases.csv'}", file=sys.stderr)
            return 1
        print((options.out / "table1.md").read_text(encoding="utf-8"))
        print(f"report: {options.out / 'report.html'}")
        return 0

    return run(action)


def _parser() -> argparse.ArgumentParser:
    result = parser("nnunet-tv-report", DESCRIPTION)
    add = result.add_argument
    add("--ref", type=Path, required=True, metavar="LABELS", help="folder of references, CASE.nii.gz, labels 0 and 1")
    add("--pred", type=_named, required=True, nargs="+", action="extend", metavar="NAME=FOLDER",
        help="predictions of one run of group NAME; may be repeated")
    add("--pred-pp", type=_named, default=[], nargs="+", action="extend", metavar="NAME=FOLDER",
        help="post-processed predictions, one folder for each --pred of NAME, in the same order "
        "(default: the filter is applied in memory)")
    add("--images", type=Path, metavar="FOLDER", help="scans to draw on, CASE_0000.nii.gz, on the references' grid")
    add("--paper", action="store_true", help="show the TV paper's Table 1 beside")
    add("--connectivity", type=int, choices=(6, 18, 26), default=26,
        help="neighbours that make one cluster, for the measures and the filter (default: 26)")
    size = result.add_mutually_exclusive_group()
    size.add_argument("--min-voxels", type=whole_number(0), default=50, metavar="N",
                      help="smallest cluster that the filter keeps (default: 50)")
    size.add_argument("--min-mm3", type=_positive, metavar="V", help="the same in mm³")
    add("--remark", default="", metavar="TEXT", help="how the predictions were made, for the table's note")
    add_processes(result)
    add("-o", dest="out", type=Path, required=True, metavar="OUT", help="report folder; an earlier report is replaced")
    return result


def _pair(
    arguments: argparse.ArgumentParser, raw: list[tuple[str, Path]], filtered: list[tuple[str, Path]]
) -> list[tuple[str, int, Path, Path | None]]:
    """(group, run, raw folder, filtered folder or None) in the order given; usage errors end the command."""
    names = list(dict.fromkeys(name for name, _ in raw))
    for option, given in (("--pred", raw), ("--pred-pp", filtered)):
        twice = sorted({f"{name}={folder}" for name, folder in given if given.count((name, folder)) > 1})
        if twice:
            arguments.error(f"{option} {twice[0]} is given twice: one run would count as two")
    unknown = sorted({name for name, _ in filtered} - set(names))
    if unknown:
        arguments.error(f"--pred-pp {unknown[0]} has no --pred {unknown[0]}; names are {', '.join(names)}")
    pairs = []
    for name in names:
        folders = [folder for key, folder in raw if key == name]
        after: list[Path | None] = [folder for key, folder in filtered if key == name]
        if after and len(after) != len(folders):
            arguments.error(f"{name}: {len(folders)} folders with --pred but {len(after)} with --pred-pp; give one for "
                            "each, in the same order")
        pairs += [(name, number, folder, after[number] if after else None) for number, folder in enumerate(folders)]
    return pairs


def _named(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name.strip() and equals and folder):
        raise argparse.ArgumentTypeError(f"expected NAME=FOLDER, found {text!r}")
    return name.strip(), Path(folder)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a volume in mm³ from 0, found {text!r}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
