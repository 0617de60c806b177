"""UNETR++: a hierarchical transformer encoder and decoder with efficient paired attention."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from nnunet_tv.architectures.blocks import ResidualUnit
from nnunet_tv.architectures.dual_self_attention import transformer_blocks
from nnunet_tv.architectures.initialization import initialize
from nnunet_tv.architectures.registry import NETWORKS

#: Widths of the four stages.
WIDTHS = (32, 64, 128, 256)
#: Voxels along each side of an embedded patch.
EMBEDDED = 4
#: Width at full resolution.
FULL_WIDTH = 16
PROJECTED_POSITIONS = 64


def _stage(channels: int, size: Sequence[int], dropout: float) -> nn.Sequential:
    projected = min(PROJECTED_POSITIONS, math.prod(size))
    return transformer_blocks(channels, size, projected_positions=projected, dropout=dropout,
                              published_token_order=False)


def _shrink(channels_in: int, channels_out: int, side: int) -> nn.Sequential:
    """Convolution without overlap, then group norm with one group."""
    return nn.Sequential(nn.Conv3d(channels_in, channels_out, side, stride=side, bias=False),
                         nn.GroupNorm(1, channels_out))


class UNETRPlusPlus(nn.Module):
    """UNETR++ (Shaker et al., arXiv 2212.04497), written from its description.

    Patches are embedded without overlap; three further stages halve the map and double the width. Each stage has
    three blocks of efficient paired attention (EPA): spatial and channel attention in parallel with the same
    queries and keys and a value of their own, keys and spatial values projected from N to P positions, the sum
    passed through convolutions. The decoder doubles the map, adds the encoder's and has such blocks again; at
    full resolution a residual unit of the image is added.

    What is ours: the attention is that of MS-DSA-Net's blocks
    (:class:`~nnunet_tv.architectures.dual_self_attention.DualSelfAttention`), which is EPA with queries and keys
    L2-normalised over positions and a learned temperature where the paper prints 1/√d, here in the clean token
    order; patches of 4³ voxels (the paper's data have 4×4×2); P = 64, or N where that is less; one output, where
    the authors supervise three. Parameters, 2 to 2 channels: 42,648,570 at 128³, 22,809,786 at 64³; the paper
    states 42.96 M for one input of 128×128×64 and 14 classes. Arguments are as those of
    :class:`~nnunet_tv.architectures.ms_dsa_net.MSDSANet`.
    """

    def __init__(self, input_channels: int, num_classes: int, *, input_size: Sequence[int], dropout: float = 0.1):
        super().__init__()
        self.input_size = NETWORKS["unetr-pp"].rule.check(input_size)
        sizes = [[side // EMBEDDED >> stage for side in self.input_size] for stage in range(len(WIDTHS))]
        self.shrink = nn.ModuleList([_shrink(input_channels, WIDTHS[0], EMBEDDED),
                                     *(_shrink(before, width, 2) for before, width in pairwise(WIDTHS))])
        self.encoder = nn.ModuleList(_stage(width, size, dropout) for width, size in zip(WIDTHS, sizes, strict=True))
        finer = list(zip(WIDTHS, sizes, strict=True))[-2::-1]
        self.upsample = nn.ModuleList(nn.ConvTranspose3d(2 * width, width, 2, stride=2) for width, _ in finer)
        self.decoder = nn.ModuleList(_stage(width, size, dropout) for width, size in finer)
        self.image_unit = ResidualUnit(input_channels, FULL_WIDTH)
        self.to_full = nn.ConvTranspose3d(WIDTHS[0], FULL_WIDTH, EMBEDDED, stride=EMBEDDED)
        self.last_unit = ResidualUnit(FULL_WIDTH, FULL_WIDTH)
        self.head = nn.Conv3d(FULL_WIDTH, num_classes, 1)
        self.apply(self.initialize)

    #: Kaiming normal and Xavier uniform; nnU-Net calls it after building a network.
    initialize = staticmethod(initialize)

    def forward(self, image: Tensor) -> Tensor:
        """(B, input_channels, *input_size) to logits (B, num_classes, *input_size)."""
        if tuple(image.shape[2:]) != self.input_size:
            raise ValueError(f"this UNETRPlusPlus was built for patches of {self.input_size}, found "
                             f"{tuple(image.shape[2:])} in an input of shape {tuple(image.shape)}")
        skips = []
        features = image
        for shrink, stage in zip(self.shrink, self.encoder, strict=True):
            features = stage(shrink(features))
            skips.append(features)
        features = skips.pop()
        for upsample, stage in zip(self.upsample, self.decoder, strict=True):
            features = stage(upsample(features) + skips.pop())
        return self.head(self.last_unit(self.to_full(features) + self.image_unit(image)))
