"""``nnunet-tv-report``: tables with uncertainty, comparisons, curves and pictures from folders of segmentations."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import count, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_tv.cli import parser, run
from nnunet_tv.cli.types import add_processes, number, whole_number

if TYPE_CHECKING:
    from nnunet_tv.scoring.runs import MissingRun

DESCRIPTION = """\
Score folders of predictions against references: Table 1 (Sens, Prec, DC, sSens, nFPC; mean ± sample standard
deviation over runs), raw and post-processed; intervals, comparisons, strata, curves; every case, cluster and lesion as
CSV; a picture of every case; one report.html that opens from disk.

  nnunet-tv-report --ref labelsTs --pred Dice=run0 Dice=run1 --pred Dice+TV=tv0 Dice+TV=tv1 -o report
  nnunet-tv-report --model "$nnUNet_results/DatasetFCD/nnUNetTrainerDiceTV__nnUNetPlans__3d_fullres" -o report
  nnunet-tv-report --from report --primary sSens -o report-again

A NAME given several times is several runs of one group. Exit status: 0 scored; 1 a prediction is missing, on
another grid or unusable (each is named; no table is written); 2 usage.
"""
#: Options that --from takes, and those that need files to score.
_REDRAW = ("primary", "seed", "paper", "strata", "participants", "remark")
_SCORING = ("ref", "pred", "pred_pp", "probabilities", "predicted_by", "rescan", "controls", "controls_probabilities",
            "model", "images", "hit", "measures", "nsd_tolerance", "allow_missing", "missing_run", "run_json",
            "connectivity", "min_voxels", "min_mm3")
Named = tuple[str, Path]


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 scored, 1 problems (named on stderr), 2 usage."""
    arguments = _parser()
    options = arguments.parse_args(argv)
    command = ["nnunet-tv-report", *(sys.argv[1:] if argv is None else argv)]
    if options.source is not None:
        if name := _needs_scoring(options):
            arguments.error(f"--{name.replace('_', '-')} needs scoring and does not go with --from")
        return run(lambda: _redraw(options, command))
    if not options.pred and not options.model:
        arguments.error("the following arguments are required: --pred or --model (or --from)")
    if options.ref is None and not options.model:
        arguments.error("the following arguments are required: --ref (or --model, or --from)")
    if twice := _twice(options.hit or []):
        arguments.error(f"--hit {twice[0]} is given twice")
    if options.strata and options.participants is None:
        from nnunet_tv.reporting.tables.strata import OWN

        if columns := [name for name in options.strata if name not in OWN]:
            arguments.error(f"--strata {columns[0]} is a column of a participants table; give --participants")
    missing = options.missing_run
    if twice := _twice([f"{one.group}={one.run}" for one in missing]):
        arguments.error(f"--missing-run {twice[0]} is given twice")
    try:
        predictions = _numbered(options.pred, {"--pred-pp": options.pred_pp, "--probabilities": options.probabilities,
                                               "--predicted-by": options.predicted_by, "--rescan": options.rescan,
                                               "--run-json": options.run_json},
                                missing=missing)
        controls = _numbered(options.controls, {"--controls-probabilities": options.controls_probabilities},
                             option="--controls", missing=missing)
    except ValueError as error:
        arguments.error(str(error))
    return run(lambda: _score(options, predictions, controls, command))


def _needs_scoring(options: argparse.Namespace) -> str | None:
    """First option that does not go with ``--from``; the filter's defaults do."""
    from nnunet_tv.postprocessing import STANDARD

    given = ((name, getattr(options, name)) for name in _SCORING)
    return next((name for name, value in given if not (value is None or value is False or value == []
                                                       or value == getattr(STANDARD, name, None))), None)


def _score(options: argparse.Namespace, predictions: list[tuple], controls: list[tuple], command: list[str]) -> int:
    from nnunet_tv.metrics.hit_rules import DEFAULT_HITS
    from nnunet_tv.metrics.registry import NSD_TOLERANCE_MM
    from nnunet_tv.postprocessing import ClusterFilter
    from nnunet_tv.reporting.report import ReportOptions, make_report
    from nnunet_tv.scoring.case_scoring import ScoringOptions
    from nnunet_tv.scoring.model_folder import model_runs, numbered_as
    from nnunet_tv.scoring.runs import Run, probabilities_beside

    cluster_filter = ClusterFilter(**_given(options, "min_voxels", "min_mm3", "connectivity"))
    tolerance = options.nsd_tolerance
    scoring = ScoringOptions(
        connectivity=cluster_filter.connectivity, cluster_filter=cluster_filter,
        hits=tuple(options.hit or DEFAULT_HITS), distances=options.measures or tolerance is not None,
        nsd_tolerance_mm=NSD_TOLERANCE_MM if tolerance is None else tolerance, allow_missing=options.allow_missing)
    models = [model_runs(folder, group=name, reference=options.ref, missing=options.missing_run)
              for name, folder in options.model]
    record = make_report(
        options.out, reference=options.ref, runs=[Run(*each) for each in predictions], models=models,
        controls=numbered_as(models, [
            Run(name, number, folder, probabilities=probabilities or probabilities_beside(folder))
            for name, number, folder, probabilities in controls]),
        images=options.images, participants=options.participants, missing=options.missing_run,
        options=ReportOptions(scoring=scoring, strata=tuple(options.strata or ()), processes=options.processes,
                              **_given(options, "primary", "seed", "paper", "remark")), command=command)
    for kind, texts in (("warning", record.warnings), ("error", record.problems)):
        for text in texts:
            print(f"{kind}: {text}", file=sys.stderr)
    if record.problems:
        plural = "s" if len(record.problems) > 1 else ""
        print(f"error: {len(record.problems)} problem{plural}, so no table; every case's status is in "
              f"{options.out / 'cases.csv'}", file=sys.stderr)
        return 1
    return _show(options.out)


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _redraw(options: argparse.Namespace, command: list[str]) -> int:
    from nnunet_tv.reporting.report import redraw_report

    redraw_report(options.source, options.out, command=command, **_given(options, *_REDRAW))
    return _show(options.out)


def _show(out: Path) -> int:
    print((out / "table1.md").read_text(encoding="utf-8"))
    print(f"report: {out / 'report.html'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    from nnunet_tv.metrics.hit_rules import DEFAULT_HITS
    from nnunet_tv.metrics.registry import ENDPOINTS, NSD_TOLERANCE_MM

    result = parser("nnunet-tv-report", DESCRIPTION)
    add = result.add_argument
    many: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    add("--ref", type=Path, metavar="LABELS", help="folder of references, CASE.nii.gz, labels 0 and 1")
    add("--pred", type=_named, metavar="NAME=FOLDER", help="predictions of one run of group NAME; may be repeated",
        **many)
    add("--pred-pp", type=_named, metavar="NAME=FOLDER", help="post-processed predictions, one folder for each --pred "
        "of NAME, in the same order (default: the filter is applied in memory)", **many)
    add("--probabilities", type=_named, metavar="NAME=FOLDER", help="probabilities (nnU-Net's CASE.npz, or NIfTI), one "
        "folder for each --pred of NAME, in the same order: for FROC and precision-recall", **many)
    add("--predicted-by", type=_named, metavar="NAME=MODEL", help="model of each --pred of NAME, in the same order: "
        "fold_k in nnU-Net's result folder, or that folder for the mean of its folds; writes accuracy.json, which the "
        "model's pages of patients quote once it is copied into the result folder", **many)
    add("--run-json", type=_named, metavar="NAME=FOLD", help="how the model of each --pred of NAME was trained, in the "
        "same order: its run.json, or the fold folder in nnU-Net's result folder that holds it (default: that of "
        "--predicted-by, or a run.json beside the predictions)", **many)
    add("--controls", type=_named, metavar="NAME=FOLDER", help="predictions of subjects without a lesion, one folder "
        "for each --pred of NAME, in the same order: controls, and patients against controls; no references", **many)
    add("--controls-probabilities", type=_named, metavar="NAME=FOLDER", help="probabilities of the controls, one "
        "folder for each --controls of NAME, in the same order (default: those beside the predictions, if each has "
        "one): with --probabilities, the ROC curve of subjects", **many)
    add("--rescan", type=_named, metavar="NAME=FOLDER", help="predictions of a second scan of some subjects, on "
        "the grids of the first, one folder for each --pred of NAME, in the same order; those of the first scan are in "
        "the folder of --pred (references are not needed) or --controls", **many)
    add("--model", type=_model, metavar="[NAME=]FOLDER", help="nnU-Net's result folder TRAINER__PLANS__CONFIG: its "
        "folds' validation, equal folds as runs, disjoint ones pooled", **many)
    add("--from", dest="source", type=Path, metavar="REPORT", help="an earlier report (report.json or its folder): "
        "tables again, without scoring")
    add("--images", type=Path, metavar="FOLDER", help="scans to draw on, CASE_0000.nii.gz, on the references' grid")
    add("--participants", type=Path, metavar="TSV", help="participants.tsv, for --strata and the controls' scanners")
    add("--strata", type=_names, metavar="A,B", help="columns of --participants, and size, contrast (needs --images), "
        "hemisphere (from the lesion's position where no column gives it)")
    add("--hit", action="append", type=_rule, metavar="RULE", help="any, overlap:0.1, center or distance:20; may be "
        f"repeated, the first is the primary one (default: {', '.join(DEFAULT_HITS)})")
    add("--primary", choices=tuple(ENDPOINTS), help="primary endpoint, chosen before results are seen (default: DC)")
    add("--measures", action="store_true", help="all measures, surface distances included (slower)")
    add("--nsd-tolerance", type=number("a distance in mm from 0", lambda distance: 0 <= distance < float("inf")),
        metavar="MM", help="distance up to which surfaces agree, for NSD; includes --measures (default: "
        f"{NSD_TOLERANCE_MM:g})")
    add("--paper", action="store_true", default=None, help="show the TV paper's Table 1 beside")
    add("--connectivity", type=int, choices=(6, 18, 26),
        help="neighbours that make one cluster, for the measures and the filter (default: 26)")
    size = result.add_mutually_exclusive_group()
    size.add_argument("--min-voxels", type=whole_number(0), metavar="N",
                      help="smallest cluster that the filter keeps (default: as in the TV paper)")
    size.add_argument("--min-mm3", type=number("a volume in mm³ from 0", lambda volume: 0 <= volume < float("inf")),
                      metavar="V", help="the same in mm³")
    add("--allow-missing", action="store_true", help="score a missing prediction as an empty one, and report it")
    add("--missing-run", type=_missing_run, metavar="NAME=RUN:REASON", help="run (from 0) of group NAME that was to be "
        "scored and is not there; the other runs keep their numbers, and the tables name it. Of a cross-validation "
        "(--model) that fold is left out of every group", **many)
    add("--seed", type=whole_number(0), metavar="N", help="of bootstrap and permutations (default: 0)")
    add("--remark", metavar="TEXT", help="how the predictions were made, for the table's notes")
    add_processes(result)
    add("-o", dest="out", type=Path, required=True, metavar="OUT", help="report folder; an earlier report is replaced")
    return result


def _numbered(named: list[Named], beside: dict[str, list[Named]], *, option: str = "--pred",
              missing: Sequence[MissingRun] = ()) -> list[tuple]:
    """Name, number of the run, folder and the folders beside it, in the order given; ValueError for wrong usage.

    The numbers of `missing` runs are left out.
    """
    names = list(dict.fromkeys(name for name, _ in named))
    for each, given in {option: named, **beside}.items():
        if twice := _twice([f"{name}={folder}" for name, folder in given]):
            raise ValueError(f"{each} {twice[0]} is given twice: one run would count as two")
        if unknown := sorted({name for name, _ in given} - set(names)):
            raise ValueError(f"{each} {unknown[0]} has no {option} {unknown[0]}; names are "
                             f"{', '.join(names) or 'none'}")
    runs: list[tuple] = []
    for name in names:
        folders, *columns = ([folder for key, folder in given if key == name] for given in (named, *beside.values()))
        for each, found in zip(beside, columns, strict=True):
            if found and len(found) != len(folders):
                raise ValueError(f"{name}: {len(folders)} folders with {option} but {len(found)} with {each}; give "
                                 "one for each, in the same order")
        without = {one.run for one in missing if one.group == name}
        numbers = (number for number in count() if number not in without)
        runs += [(name, number, *row) for number, row in zip(numbers, zip_longest(folders, *columns), strict=False)]
    return runs


def _twice(texts: list[str]) -> list[str]:
    return sorted({text for text in texts if texts.count(text) > 1})


def _named(text: str) -> Named:
    name, equals, folder = text.partition("=")
    if not (name.strip() and equals and folder):
        raise argparse.ArgumentTypeError(f"expected NAME=FOLDER, found {text!r}")
    return name.strip(), Path(folder)


def _model(text: str) -> tuple[str | None, Path]:
    """A model folder with or without a name; the text of an existing folder is taken as a path."""
    return (None, Path(text)) if "=" not in text or Path(text).is_dir() else _named(text)


def _missing_run(text: str) -> MissingRun:
    """A run with the reason why it is missing; the name may contain colons, the number may not be negative."""
    from nnunet_tv.scoring.runs import MissingRun

    name, equals, rest = text.partition("=")
    run, colon, reason = rest.partition(":")
    if not (name.strip() and equals and colon and run.isdecimal() and reason.strip()):
        raise argparse.ArgumentTypeError(f"expected NAME=RUN:REASON such as Dice=3:out of memory, found {text!r}")
    return MissingRun(name.strip(), int(run), " ".join(reason.split()))


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names with commas between, found {text!r}")
    return names


def _rule(text: str) -> str:
    from nnunet_tv.metrics.hit_rules import HitRule

    try:
        return str(HitRule.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    raise SystemExit(main())
