"""MONAI's networks with nnU-Net's arguments: what a plans file names, and builds with the extra ``monai``.

Each function gives MONAI's own class, so its weights carry MONAI's names and start as MONAI makes them.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from torch import nn

from nnunet_tv.utils.errors import NnunetTVError

#: The five levels that arXiv 2511.22606 gives its comparators.
CHANNELS = (16, 32, 64, 128, 256)


def _monai(name: str) -> Any:
    """A network class of MONAI."""
    try:
        return getattr(import_module("monai.networks.nets"), name)
    except ImportError as error:
        raise NnunetTVError(f"{name} is a network of MONAI, which cannot be imported here ({error}): pip install "
                            "'nnunet-tv[monai]'") from error


def attention_unet(input_channels: int, num_classes: int, *, channels: Sequence[int] = CHANNELS) -> nn.Module:
    """Attention U-Net (Oktay et al., arXiv 1804.03999); sides are multiples of 16 with five `channels`."""
    return _monai("AttentionUnet")(3, input_channels, num_classes, channels, (2,) * (len(channels) - 1))


def res_unet(input_channels: int, num_classes: int, *, channels: Sequence[int] = CHANNELS,
             num_res_units: int = 2) -> nn.Module:
    """Residual U-Net (Kerfoot et al. 2018); sides are multiples of 16 with five `channels`."""
    return _monai("UNet")(3, input_channels, num_classes, channels, (2,) * (len(channels) - 1),
                          num_res_units=num_res_units)


def seg_resnet(input_channels: int, num_classes: int, *, init_filters: int = 16,
               blocks_down: Sequence[int] = (1, 2, 2, 4), blocks_up: Sequence[int] = (1, 1, 1)) -> nn.Module:
    """SegResNet (Myronenko, arXiv 1810.11654) without its autoencoder; sides are multiples of 8."""
    return _monai("SegResNet")(3, init_filters=init_filters, in_channels=input_channels, out_channels=num_classes,
                               blocks_down=tuple(blocks_down), blocks_up=tuple(blocks_up))


def unetr(input_channels: int, num_classes: int, *, input_size: Sequence[int], **arguments: Any) -> nn.Module:
    """UNETR (Hatamizadeh et al., arXiv 2103.10504), built for `input_size`: multiples of 16."""
    network = _monai("UNETR")(input_channels, num_classes, tuple(input_size), **arguments)
    for name, module in network.named_modules():
        # MONAI makes the layers of a cross attention, which UNETR has not: DDP would wait for their gradients.
        if name.rpartition(".")[2] in ("cross_attn", "norm_cross_attn"):
            module.requires_grad_(False)
    return network


def swin_unetr(input_channels: int, num_classes: int, *, feature_size: int = 48, use_checkpoint: bool = True,
               **arguments: Any) -> nn.Module:
    """Swin UNETR (Hatamizadeh et al., arXiv 2201.01266); sides are multiples of 32, `feature_size` of 12.

    `use_checkpoint` computes the transformer again in the backward pass, for less memory.
    """
    return _monai("SwinUNETR")(input_channels, num_classes, feature_size=feature_size, use_checkpoint=use_checkpoint,
                               **arguments)
