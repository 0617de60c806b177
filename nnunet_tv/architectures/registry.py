"""The networks of ``nnunet-tv-plan --network``, one row each; nothing heavy is imported here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnunet_tv.utils.errors import NnunetTVError

#: The paper's patch, at which networks are planned and compared by default.
PATCH_SIZE = (128, 128, 128)
#: Key of a configuration in our plans files: the network's name here. The recipe keeps such a plan's network.
NAME_IN_PLANS = "nnunet_tv_network"


class PatchSizeError(NnunetTVError, ValueError):
    """A patch size that a network cannot take."""


@dataclass(frozen=True)
class PatchRule:
    """Which patches a network takes."""

    title: str  #: The network, as messages name it.
    multiple: tuple[int, int, int]  #: Each side is a multiple of the axis's number,
    minimum: tuple[int, int, int]  #: and at least this one.

    def nearest(self, sides: Sequence[float]) -> tuple[int, int, int]:
        """The fitting patch nearest to `sides`, axis by axis; the larger of two equally near.

        >>> PatchRule("N", (32, 32, 32), (64, 64, 64)).nearest((100, 80, 20))
        (96, 96, 64)
        """
        z, y, x = (max(-(-least // step), int(side / step + 0.5)) * step
                   for side, step, least in zip(sides, self.multiple, self.minimum, strict=True))
        return z, y, x

    def check(self, patch_size: Sequence[float]) -> tuple[int, int, int]:
        """`patch_size` as a tuple, if the network can take it.

        PatchSizeError lists every side that is no multiple or too small by its axis (from 0), with the nearest patch
        that fits.
        """
        sides = tuple(patch_size)
        if len(sides) != 3:
            raise PatchSizeError(f"{self.title} takes 3D patches: expected three sides, found {list(sides)}")
        wrong = [f"axis {axis} is {side}" for axis, (side, step, least)
                 in enumerate(zip(sides, self.multiple, self.minimum, strict=True))
                 if side != int(side) or side % step or side < least]
        if wrong:
            raise PatchSizeError(
                f"{self.title}'s patch sides must be multiples of {_one_or_all(self.multiple)} and at least "
                f"{_one_or_all(self.minimum)}; in {list(sides)} {', '.join(wrong)}. The nearest that fits is "
                f"{' '.join(map(str, self.nearest(sides)))}")
        z, y, x = (int(side) for side in sides)
        return z, y, x


def _one_or_all(numbers: Sequence[int]) -> str:
    """One number where all axes share it, else all of them.

    >>> _one_or_all((32, 32, 32)), _one_or_all((4, 32, 32))
    ('32', '4, 32, 32 (by axis)')
    """
    return str(numbers[0]) if len(set(numbers)) == 1 else f"{', '.join(map(str, numbers))} (by axis)"


@dataclass(frozen=True)
class Network:
    """A network that plans can name."""

    name: str  #: As ``--network`` takes it.
    title: str
    #: Plans file without ``.json``, for ``-p``; no double underscore, at which nnU-Net splits result folders.
    plans_name: str
    source: str  #: Where it is described, and what is ours.
    class_name: str = ""  #: Dotted name in the plans file; empty for nnU-Net's own, which its planner writes.
    arguments: Mapping[str, Any] = field(default_factory=dict)  #: Further arguments of the class.
    multiple: int = 0  #: Rule for each side of the patch; 0 for nnU-Net's own, whose plan has one.
    minimum: int = 0
    input_size: bool = False  #: Whether it is built for one patch size, its argument ``input_size``.
    planner: str = ""  #: Dotted name of nnU-Net's planner, for nnU-Net's own networks.
    extra: str = ""  #: ``pip install 'nnunet-tv[extra]'``; also the name of the module.
    compiles: bool = False  #: Whether nnU-Net may use torch.compile on it.

    @property
    def rule(self) -> PatchRule:
        """Which patches it takes (not for nnU-Net's own)."""
        return PatchRule(self.title, (self.multiple,) * 3, (self.minimum,) * 3)

    def arguments_for(self, patch_size: Sequence[int]) -> dict[str, Any]:
        """Arguments of the class for a patch, as a plans file holds them."""
        return {**self.arguments, **({"input_size": [int(side) for side in patch_size]} if self.input_size else {})}


_OURS = "nnunet_tv.architectures"
_MONAI = f"{_OURS}.monai_networks"
_RESIDUAL = "nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners"
_DEFAULT = "nnunetv2.experiment_planning.experiment_planners.default_experiment_planner"

NETWORKS = {network.name: network for network in (
    Network("ms-dsa-net", "MS-DSA-Net", "MSDSANetPlans",
            "Zhang et al. 2024, Insights into Imaging 15:222; written from its description",
            f"{_OURS}.ms_dsa_net.MSDSANet", multiple=32, minimum=64, input_size=True, compiles=True),
    Network("sg-net", "SG-Net", "SGNetPlans",
            "arXiv 2511.22606: backbone as released; the gates are our design, theirs is not published",
            f"{_OURS}.sg_net.SGNet", multiple=8, minimum=16),
    Network("sg-net-ungated", "SG-Net without gates", "SGNetUngatedPlans",
            "arXiv 2511.22606: the model that its authors released",
            f"{_OURS}.sg_net.SGNet", {"gates": False}, multiple=8, minimum=16),
    Network("attention-unet", "Attention U-Net", "AttentionUnetPlans",
            "arXiv 1804.03999; MONAI's AttentionUnet, widths of arXiv 2511.22606",
            f"{_MONAI}.attention_unet", multiple=16, minimum=32, extra="monai"),
    Network("res-unet", "ResU-Net", "ResUNetPlans",
            "Kerfoot et al. 2018; MONAI's UNet with two residual units, widths of arXiv 2511.22606",
            f"{_MONAI}.res_unet", multiple=16, minimum=32, extra="monai"),
    Network("seg-resnet", "SegResNet", "SegResNetPlans",
            "arXiv 1810.11654 without its autoencoder; MONAI's SegResNet, 16 filters at first",
            f"{_MONAI}.seg_resnet", multiple=8, minimum=8, extra="monai"),
    Network("unetr", "UNETR", "UNETRPlans", "arXiv 2103.10504; MONAI's UNETR",
            f"{_MONAI}.unetr", multiple=16, minimum=16, input_size=True, extra="monai"),
    Network("swin-unetr", "Swin UNETR", "SwinUNETRPlans",
            "arXiv 2201.01266; MONAI's SwinUNETR, feature size 48, with gradient checkpointing",
            f"{_MONAI}.swin_unetr", multiple=32, minimum=64, extra="monai"),
    Network("unetr-pp", "UNETR++", "UNETRppPlans",
            "arXiv 2212.04497; written from its description, one output, patch embedding of 4³ voxels",
            f"{_OURS}.unetr_pp.UNETRPlusPlus", multiple=32, minimum=64, input_size=True),
    Network("plain-unet", "PlainConvUNet", "PlainConvUNetPlans", "nnU-Net's own, as its standard planner plans it",
            planner=f"{_DEFAULT}.ExperimentPlanner", compiles=True),
    Network("resenc", "ResidualEncoderUNet", "ResEncUNetPlans", "nnU-Net's own, as its ResEncM planner plans it",
            planner=f"{_RESIDUAL}.nnUNetPlannerResEncM", compiles=True),
)}


def find_network(class_name: str) -> Network | None:
    """The network that a plans file names by its class; None for any other class."""
    return next((network for network in NETWORKS.values() if network.class_name == class_name), None)
