"""``nnunet-tv-plan``: fingerprint, plan and preprocess a data set by its name."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_tv.cli import parser, run
from nnunet_tv.cli.types import add_processes, dataset_name


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``nnunet-tv-plan --help``."""
    arguments = parser(
        "nnunet-tv-plan",
        "Fingerprint, plan and preprocess a converted data set, by name.\n\n"
        "Writes nnUNetPlans.json (so that nnUNetv2_train needs no -p), the preprocessed data,\n"
        "gt_segmentations and splits_final.json. With --patch-size also MSDSANetPlans.json\n"
        "(nnUNetv2_train ... -p MSDSANetPlans), which names MS-DSA-Net at that patch size.",
    )
    arguments.add_argument("-d", dest="dataset", type=dataset_name, required=True, metavar="NAME",
                           help="folder name under nnUNet_raw, such as DatasetFCD")
    arguments.add_argument("-c", dest="configurations", nargs="+", default=["3d_fullres"], metavar="CONFIGURATION",
                           help="configurations to preprocess (default: 3d_fullres)")
    arguments.add_argument("--patch-size", nargs=3, type=int, metavar=("Z", "Y", "X"),
                           help="patch of MS-DSA-Net in nnU-Net's array order; each side a multiple of 32, at least 64")
    add_processes(arguments)
    arguments.add_argument("--replace-split", action="store_true",
                           help="take over a splits_final.json that differs from the one already preprocessed")
    arguments.add_argument("--redo", action="store_true",
                           help="do all of it again although the raw data have not changed")
    options = arguments.parse_args(argv)

    def action() -> int:
        from nnunet_tv.files import read_json
        from nnunet_tv.planning import plan_dataset
        from nnunet_tv.training.plans import ONE_CLASS, UnsupportedPlan, check_recipe, loss_only_name

        name = options.dataset
        if options.patch_size is not None:
            from nnunet_tv.architectures.ms_dsa_net import check_input_size

            try:
                check_input_size(options.patch_size)
            except ValueError as error:
                arguments.error(f"--patch-size: {error}")
        written = plan_dataset(name, configurations=options.configurations, patch_size=options.patch_size,
                               processes=options.processes, replace_split=options.replace_split, redo=options.redo)
        print("Plans: " + ", ".join(str(path) for path in written))
        for path in written:
            flag = "" if path.stem == "nnUNetPlans" else f" -p {path.stem}"
            trainer = "nnUNetTrainerDiceTV"
            try:
                check_recipe(read_json(path), options.configurations[0], ONE_CLASS, trainer)
            except UnsupportedPlan:
                trainer = loss_only_name(trainer)
            print(f"Train: nnUNetv2_train {name} {options.configurations[0]} 0 -tr {trainer}{flag}")
        return 0

    return run(action)


if __name__ == "__main__":
    raise SystemExit(main())
