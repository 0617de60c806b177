"""``nnunet-tv-plan``: fingerprint, plan and preprocess a data set by its name."""

from collections.abc import Sequence

from nnunet_tv.architectures.registry import NETWORKS, PatchSizeError
from nnunet_tv.cli import parser, run
from nnunet_tv.cli.types import add_processes, dataset_name


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``nnunet-tv-plan --help``."""
    arguments = parser(
        "nnunet-tv-plan",
        "Fingerprint, plan and preprocess a converted data set, by name.\n\n"
        "Writes nnUNetPlans.json (so that nnUNetv2_train needs no -p), the preprocessed data,\n"
        "gt_segmentations and splits_final.json. With --network also that network's plans, on the same\n"
        "preprocessed data: nnUNetv2_train ... -p SGNetPlans trains SG-Net, with the TV paper's recipe\n"
        "(-tr nnUNetTrainerDiceTV) or nnU-Net's (-tr nnUNetTrainerDiceTVLoss).",
    )
    arguments.add_argument("-d", dest="dataset", type=dataset_name, required=True, metavar="NAME",
                           help="folder name under nnUNet_raw, such as DatasetFCD")
    arguments.add_argument("-c", dest="configurations", nargs="+", default=["3d_fullres"], metavar="CONFIGURATION",
                           help="configurations to preprocess (default: 3d_fullres)")
    arguments.add_argument("--network", choices=tuple(NETWORKS), metavar="NETWORK",
                           help=f"also write the plans of a network: {', '.join(NETWORKS)}")
    arguments.add_argument("--patch-size", nargs=3, type=int, metavar=("Z", "Y", "X"),
                           help="patch of the network in nnU-Net's array order (default: 128 128 128; for plain-unet "
                                "and resenc what nnU-Net plans); without --network that of ms-dsa-net")
    add_processes(arguments)
    arguments.add_argument("--replace-split", action="store_true",
                           help="take over a splits_final.json that differs from the one already preprocessed")
    arguments.add_argument("--redo", action="store_true",
                           help="do all of it again although the raw data have not changed")
    options = arguments.parse_args(argv)

    def action() -> int:
        from nnunet_tv.planning.dataset import plan_dataset
        from nnunet_tv.planning.network_plans import choose
        from nnunet_tv.planning.plans import ONE_CLASS, UnsupportedPlan, check_recipe, loss_only_name
        from nnunet_tv.utils.files import read_json

        name = options.dataset
        try:
            choose(options.network, options.patch_size, ())
        except PatchSizeError as error:
            arguments.error(f"--patch-size: {error}")
        written = plan_dataset(name, configurations=options.configurations, network=options.network,
                               patch_size=options.patch_size, processes=options.processes,
                               replace_split=options.replace_split, redo=options.redo)
        print("Plans: " + ", ".join(str(path) for path in written))
        for path in written:
            flag = "" if path.stem == "nnUNetPlans" else f" -p {path.stem}"
            recipe, other = "nnUNetTrainerDiceTV", loss_only_name("nnUNetTrainerDiceTV")
            command = f"nnUNetv2_train {name} {options.configurations[0]} 0 -tr"
            try:
                check_recipe(read_json(path), options.configurations[0], ONE_CLASS, recipe)
            except UnsupportedPlan:
                print(f"Train: {command} {other}{flag}")
                continue
            print(f"Train: {command} {recipe}{flag}")
            if flag:
                print(f"  or, with nnU-Net's recipe: {command} {other}{flag}")
        return 0

    return run(action)


if __name__ == "__main__":
    raise SystemExit(main())
