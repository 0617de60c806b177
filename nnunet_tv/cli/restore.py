"""``nnunet-tv-restore``: restore predictions to the grids of the original T1w and FLAIR."""

import sys
from collections.abc import Sequence
from pathlib import Path

from nnunet_tv.cli import parser, print_origin, run
from nnunet_tv.cli.types import add_processes

DESCRIPTION = """\
Bring nnU-Net's segmentations of prepared scans back to the grids of the original scans.

  nnUNetv2_predict -d DatasetFCD -i imagesTs -o pred -c 3d_fullres -f 0 -tr nnUNetTrainerDiceTV --save_probabilities
  nnunet-tv-restore -i pred -p imagesTs -o native

Writes CASE_T1w_fcd.nii.gz and CASE_FLAIR_fcd.nii.gz and, where nnU-Net saved probabilities, the same names with
_prob. The segmentations are not filtered: filter them before, with nnUNetv2_apply_postprocessing.
Exit status: 0 all prepared cases are restored; 1 some are not (each is named; the others are written); 2 usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; exit status."""
    arguments = parser("nnunet-tv-restore", DESCRIPTION)
    add = arguments.add_argument
    add("-i", dest="predictions", type=Path, required=True, metavar="PRED",
        help="folder of segmentations, CASE.nii.gz (and CASE.npz), as nnU-Net writes them")
    add("-p", dest="prepared", type=Path, required=True, metavar="PREPARED",
        help="folder that nnunet-tv-prepare wrote (CASE.prep.json)")
    add("-o", dest="out", type=Path, required=True, metavar="OUT", help="folder to write")
    add_processes(arguments)
    options = arguments.parse_args(argv)

    def action() -> int:
        from nnunet_tv.inference.restore import restore_folder
        from nnunet_tv.inference.trained_on import TrainedOn

        origin = TrainedOn.of_folder(options.predictions)
        # labelsTr and labelsTs of a raw data set are drawn masks: there is no model to warn of
        if origin or not (options.predictions.resolve().parent / "dataset.json").is_file():
            print_origin(origin or TrainedOn())
        outcomes = restore_folder(options.predictions, options.prepared, options.out, processes=options.processes)
        for outcome in outcomes:
            if outcome.problem:
                print(f"error: {outcome.case}: {outcome.problem}", file=sys.stderr)
            for note in outcome.notes:
                print(f"warning: {outcome.case}: {note}", file=sys.stderr)
        failed = sum(bool(outcome.problem) for outcome in outcomes)
        print(f"restored {len(outcomes) - failed} of {len(outcomes)} cases: {options.out}")
        return 1 if failed else 0

    return run(action)


if __name__ == "__main__":
    raise SystemExit(main())
