"""``nnunet-tv-experiment``: an experiment of many trainings, from the scans to the table."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from nnunet_tv.cli import parser, run
from nnunet_tv.cli.types import number, whole_number

DESCRIPTION = """\
Run an experiment of many trainings: convert, plan, train every loss several times, predict the test cases, filter,
report. CONFIGURATION is table1 (the TV paper's Table 1), tv-weights (its weight of total variation), cv5 (5-fold
cross-validation), or a YAML file of your own.

  nnunet-tv-experiment table1 -d ds004199 -o study --dry-run    # jobs, GPU-hours and disk; nothing is run
  nnunet-tv-experiment table1 -d ds004199 -o study

Run the same command again after an interruption or a failure: what is done stays, trainings go on from their
checkpoints, and failed runs are tried again. A failed run costs only itself: the others go on, and the table names it.
Exit status: 0 all runs are in the report; 1 runs are missing from it, or an error; 2 usage; 130 interrupted."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``nnunet-tv-experiment --help``."""
    arguments = _parser()
    options = arguments.parse_args(argv)
    if options.slurm is not None and (options.gpus or options.cpu):
        arguments.error("--slurm: the cluster assigns GPUs, so it does not go with --gpus or --cpu")
    return run(lambda: _experiment(options))


def _parser() -> argparse.ArgumentParser:
    result = parser("nnunet-tv-experiment", DESCRIPTION)
    add = result.add_argument
    add("configuration", metavar="CONFIGURATION", help="table1, tv-weights, cv5, or a YAML file")
    add("-d", dest="data", metavar="DATA", help="folder of the downloaded scans, or the name of a data set that is "
        "converted already, such as DatasetFCD in $nnUNet_raw (not needed again when an experiment goes on)")
    add("-o", dest="out", type=Path, required=True, metavar="STUDY", help="folder of the study")
    add("--dry-run", action="store_true", help="print jobs, GPU-hours and disk, and what each is based on")
    where = result.add_mutually_exclusive_group()
    where.add_argument("--gpus", type=whole_number(1), metavar="N", help="GPUs of this machine to use, one training "
                       "each (default: all that CUDA_VISIBLE_DEVICES leaves)")
    where.add_argument("--cpu", type=whole_number(1), nargs="?", const=1, metavar="N", help="train on the CPU, N "
                       "trainings at once (default: 1); for phantoms")
    where.add_argument("--slurm", type=Path, nargs="?", const=Path(), metavar="PROFILE", help="submit every step to a "
                       "Slurm cluster; PROFILE is a folder with Snakemake's config.yaml (default: the package's)")
    add("--runs", type=whole_number(1), metavar="N", help="trainings of each row (default: as configured)")
    add("--epochs", type=whole_number(1), metavar="N", help="of each training (default: the trainer's)")
    add("--network", metavar="NETWORK", help="as in nnunet-tv-plan (default: as configured)")
    add("--patch-size", nargs=3, type=whole_number(1), metavar=("Z", "Y", "X"), help="as in nnunet-tv-plan")
    add("--space", metavar="SPACE", help="as in nnunet-tv-convert: mni, t1 or none")
    add("-np", dest="processes", type=whole_number(1), metavar="N", help="worker processes of a step (default: as "
        "configured)")
    add("--hours-per-run", type=number("hours, a number above 0", lambda hours: 0 < hours < float("inf")),
        metavar="H", help="hours of one training, for --dry-run where no training has been timed yet")
    add("--snakemake", type=shlex.split, default=[], metavar="ARGUMENTS", help="further arguments for Snakemake, as "
        "one text: --snakemake='--retries 2'")
    return result


def _experiment(options: argparse.Namespace) -> int:
    from nnunet_tv.experiments.estimate import estimate, estimate_text
    from nnunet_tv.experiments.experiment import run_experiment, set_up
    from nnunet_tv.experiments.launch import Machine, workflow_file

    settings = {name: getattr(options, name) for name in ("runs", "epochs", "network", "space", "processes")}
    settings["patch_size"] = options.patch_size and tuple(options.patch_size)
    settings |= _data(options.data)
    if options.cpu:
        settings["device"] = "cpu"
    slurm = options.slurm
    if slurm is not None:
        slurm = workflow_file("profiles", "slurm") if slurm == Path() else slurm.absolute()
    if options.dry_run:
        study = set_up(options.configuration, options.out, **settings)
        at_once = options.gpus or options.cpu
        print(estimate_text(estimate(study, hours_per_run=options.hours_per_run), at_once=at_once))
        return 0
    result = run_experiment(options.configuration, options.out, machine=Machine(
        jobs=options.gpus or options.cpu, slurm=slurm, extra=tuple(options.snakemake)), **settings)
    print((result.report / "table1.md").read_text(encoding="utf-8"))
    print(f"report: {result.report / 'report.html'}")
    if result.missing:
        print(f"\nerror: {len(result.missing)} of the runs are missing from the report:",
              *(f"  {one.group}, run {one.run}: {one.reason}" for one in result.missing),
              "Run the same command again to try them again.", sep="\n", file=sys.stderr)
    return 0 if result.ok else 1


def _data(data: str | None) -> dict[str, str]:
    """A folder of scans, or the name of a converted data set."""
    from nnunet_tv.utils import nnunet_paths
    from nnunet_tv.utils.errors import NnunetTVError

    if data is None:
        return {}
    if Path(data).exists():
        return {"scans": data}
    name = nnunet_paths.check_dataset_name(data) if data.startswith("Dataset") else ""
    if not name:
        raise NnunetTVError(f"-d {data}: no such folder of scans")
    if not (nnunet_paths.folder("nnUNet_raw") / name / "dataset.json").is_file():
        raise NnunetTVError(f"-d {data}: neither a folder of scans nor a data set in $nnUNet_raw")
    return {"dataset": name}


if __name__ == "__main__":
    raise SystemExit(main())
