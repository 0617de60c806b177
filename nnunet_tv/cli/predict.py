"""``nnunet-tv-predict``: from patients' scans to findings on the patients' own grids."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nnunet_tv.cli import parser, print_origin, run
from nnunet_tv.cli.types import add_preparation, add_processes, add_scan_options, add_space, dataset_name, number
from nnunet_tv.conversion.dataset_spec import SPACES

DESCRIPTION = """\
Prepare, predict, filter, restore and describe: for each patient a folder with the clusters on the patient's own
T1w and FLAIR, a table of them, a page and a picture; for DICOM also a DICOM SEG. status.json summarises all patients.

  nnunet-tv-predict -i scans -d DatasetFCD -tr nnUNetTrainerDiceTV -o findings
  nnunet-tv-predict --prepared imagesTs -m MODEL_FOLDER -o findings -device cpu --folds 0 1 2

With several folds their mean decides, and their standard deviation is kept as a map of uncertainty. What is up to
date stays. For research use only.
Exit status: 0 every patient has a result (which may be "no cluster found"); 1 some do not (each is named, the others
are written) or the model cannot be used; 2 usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; exit status."""
    options = _parser().parse_args(argv)
    return run(lambda: _predict(options))


def _predict(options: argparse.Namespace) -> int:
    from nnunet_tv.inference.model_folder import find_model, model_folder
    from nnunet_tv.inference.predict import STATUS, PredictOptions, predict, status
    from nnunet_tv.inference.trained_on import UNKNOWN
    from nnunet_tv.intake.manual_pairs import read_manual_pairs

    folder = options.model or model_folder(options.dataset, trainer=options.trainer, plans=options.plans,
                                           configuration=options.configuration)
    model = find_model(folder, folds=options.folds, checkpoint=options.checkpoint)
    print(f"model: {model.name}")
    if model.trained_on.registration is None:
        print(f"note: {UNKNOWN}")
    print_origin(model.trained_on)
    outcomes = predict(
        options.prepared or options.input, options.out, model=model, prepared=options.prepared is not None,
        options=PredictOptions(options.device, not options.disable_tta, options.step_size, options.precision),
        space=options.space, backend=options.registration_backend, brain=options.brain,
        manual_pairs=read_manual_pairs(options.pair, options.pairs), keep_ids=options.keep_ids,
        processes=options.processes)
    for outcome in outcomes:
        print(f"{outcome.case}: {status(outcome)}: {outcome.problem or outcome.text}",
              file=sys.stderr if outcome.problem else sys.stdout)
        for note in outcome.notes:
            print(f"  note: {note}")
    failed = sum(bool(outcome.problem) for outcome in outcomes)
    print(f"{len(outcomes) - failed} of {len(outcomes)} patients: {options.out}, {options.out / STATUS}. "
          f"For research use only. {model.trained_on.warning}".rstrip())
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    result = parser("nnunet-tv-predict", DESCRIPTION)
    add = result.add_argument
    source = result.add_mutually_exclusive_group(required=True)
    source.add_argument("-i", dest="input", type=Path, metavar="IN",
                        help="scans: a BIDS tree, patients' folders, NIfTI files or DICOM (see nnunet-tv-prepare)")
    source.add_argument("--prepared", type=Path, metavar="FOLDER", help="a folder that nnunet-tv-prepare wrote")
    which = result.add_mutually_exclusive_group(required=True)
    which.add_argument("-m", dest="model", type=Path, metavar="MODEL_FOLDER",
                       help="RESULTS/DATASET/TRAINER__PLANS__CONFIGURATION")
    which.add_argument("-d", dest="dataset", type=dataset_name, metavar="DATASET",
                       help="data set whose model is in nnUNet_results; with -tr, -p and -c")
    add("-tr", dest="trainer", default="nnUNetTrainerDiceTV", metavar="TRAINER", help="(default: %(default)s)")
    add("-p", dest="plans", default="nnUNetPlans", metavar="PLANS", help="(default: %(default)s)")
    add("-c", dest="configuration", default="3d_fullres", metavar="CONFIGURATION", help="(default: %(default)s)")
    add("--folds", "-f", nargs="+", metavar="FOLD", help="folds to use (default: all that are trained)")
    add("-chk", dest="checkpoint", default="checkpoint_final.pth", metavar="FILE", help="(default: %(default)s)")
    add("-o", dest="out", type=Path, required=True, metavar="OUT", help="folder to write, or to complete")
    add("-device", choices=("cpu", "cuda"), default="cuda", help="(default: %(default)s)")
    add("--disable_tta", action="store_true", help="do not average over mirrored inputs: 8 times faster, less exact")
    add("-step_size", type=number("a share of the patch, above 0 up to 1", lambda share: 0 < share <= 1), default=0.5,
        metavar="S", help="step of the sliding window (default: %(default)s)")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto",
        help="on the CPU; auto: bfloat16 where the processor has instructions for it, each case checked against "
             "float32 and done again in it where they disagree (default: %(default)s)")
    prepare = result.add_argument_group("preparation, with -i (see nnunet-tv-prepare)")
    add_space(prepare, choices=tuple(SPACES), help="default: as the model's training scans; anything else is refused")
    add_preparation(prepare, brain=None)
    add_scan_options(prepare)
    add_processes(result)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
