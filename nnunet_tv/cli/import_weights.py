"""``nnunet-tv-import-weights``: the authors' MS-DSA-Net weights as an nnU-Net model folder."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from nnunet_tv.cli import parser, run
from nnunet_tv.cli.types import dataset_name

DESCRIPTION = """\
Write an nnU-Net model folder with the MS-DSA-Net weights that its authors published (model.pth).

The images that the model is given must be prepared as the authors did: T1w as channel 0000 and
FLAIR as 0001, registered to MNI152 at 1 mm, with skull, each channel clipped to its 0.5 and 99.5
percentiles over the whole volume. nnU-Net then scales minimum..maximum to 0..1 and puts the axes
into the published order. The clipping is not done here and not by nnU-Net: without it, one bright
voxel changes the scale of the whole image.

nnUNetv2_predict_from_modelfolder runs any MODEL_FOLDER. nnUNetv2_predict -d DATASET finds this one:
  $nnUNet_results/DATASET/nnUNetTrainerDice__MSDSANetPublishedPlans__3d_fullres

To train on from the weights, with images prepared in the same way (the data set is DATASET, with
integer id ID, in nnU-Net's raw folder; give --dataset DATASET or the folder above):
  nnUNetv2_plan_and_preprocess -d ID --no_pp
  cp MODEL_FOLDER/plans.json $nnUNet_preprocessed/DATASET/MSDSANetPublishedPlans.json
  nnUNetv2_preprocess -d ID -plans_name MSDSANetPublishedPlans -c 3d_fullres -np 4
  nnUNetv2_train ID 3d_fullres 0 -tr nnUNetTrainerDice -p MSDSANetPublishedPlans \\
      -pretrained_weights MODEL_FOLDER/fold_0/checkpoint_final.pth
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; exit status 0, or 1 with one message."""
    command = parser("nnunet-tv-import-weights", DESCRIPTION)
    command.add_argument("weights", type=Path, metavar="model.pth", help="published weights (a state dict)")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL_FOLDER", help="folder to write")
    command.add_argument("--patch-size", type=int, nargs=3, metavar=("X", "Y", "Z"),
                         help="patch size the weights were trained with (default: the cube they fit)")
    command.add_argument("--dataset", type=dataset_name, metavar="NAME",
                         help="data set that the plans name (default: the name of the model folder's parent if it "
                              "starts with Dataset, else DatasetFCD)")
    command.add_argument("--overwrite", action="store_true", help="replace the folder of an earlier import")
    arguments = command.parse_args(argv)
    return run(lambda: _import(arguments))


def _import(arguments: Namespace) -> int:
    from nnunet_tv.inference.published_model import import_published

    folder = arguments.output
    size = import_published(arguments.weights, folder, input_size=arguments.patch_size,
                            dataset_name=arguments.dataset, overwrite=arguments.overwrite)
    print(f"wrote {folder}: MS-DSA-Net for patches of {' x '.join(map(str, size))} voxels of 1 mm\n"
          "Images must be in MNI152 at 1 mm, with skull, T1w as _0000 and FLAIR as _0001, each clipped to\n"
          "its 0.5 and 99.5 percentiles beforehand: nnU-Net scales minimum to maximum, it does not clip.\n"
          "Predict with:\n"
          f"  nnUNetv2_predict_from_modelfolder -m {folder} -i IMAGES -o OUT -f 0")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
