"""SG-Net: a small 3D U-Net whose skip connections pass through hard spatial gates."""

import torch
from torch import Tensor, nn

from nnunet_tv.architectures.initialization import initialize

#: Widths of the three levels, and of the bottleneck, as released.
WIDTHS = (16, 32, 64, 128)


class SpatialGate(nn.Module):
    """Hard gates, one per group of channels and voxel (our design: theirs is not published).

    The `channels` are split into `groups` (a divisor). Of each group, the mean and the maximum over its channels are
    two maps, from which a convolution of its own (of side `kernel_size`, odd; no sharing between groups) makes a score
    s. The gate is open where sigmoid(s + opening) > 0.5, that is where s + opening > 0. It multiplies the group's
    channels by exactly 0 or 1.

    A step has no slope, so the gradient is the straight-through one (Bengio et al. 2013, arXiv 1308.3432): the
    backward pass uses the sigmoid instead of the gate, and closed gates can open again. `opening`, one learned
    number per group, is 1 at first: most gates begin open.
    """

    def __init__(self, channels: int, *, groups: int = 4, kernel_size: int = 5):
        super().__init__()
        if channels % groups:
            raise ValueError(f"channels ({channels}) must be divisible by groups ({groups})")
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, found {kernel_size}")
        self.groups = groups
        self.score = nn.Conv3d(2 * groups, groups, kernel_size, padding=kernel_size // 2, groups=groups, bias=False)
        self.opening = nn.Parameter(torch.ones(groups))

    def gates(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the gates (B, groups, X, Y, Z), each 0 or 1; gradients as of the sigmoid."""
        grouped = features.unflatten(1, (self.groups, -1))  # (B, groups, C / groups, X, Y, Z)
        pooled = torch.stack([grouped.mean(2), grouped.amax(2)], dim=2).flatten(1, 2)
        if pooled.device.type == "cpu":  # its grouped convolutions are several times slower on contiguous tensors
            pooled = pooled.contiguous(memory_format=torch.channels_last_3d)
        soft = torch.sigmoid(self.score(pooled) + self.opening.view(-1, 1, 1, 1))
        hard = (soft > 0.5).to(soft.dtype)
        return hard + (soft - soft.detach())  # the bracket is exactly 0

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same, closed voxels of a group exactly 0."""
        gates = self.gates(features).unsqueeze(2)
        return (features.unflatten(1, (self.groups, -1)) * gates).flatten(1, 2)


class _Level(nn.Sequential):
    """Conv 3³, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__(nn.Conv3d(channels_in, channels_out, 3, padding=1), nn.BatchNorm3d(channels_out),
                         nn.ReLU(inplace=True))


class SGNet(nn.Module):
    """SG-Net (arXiv 2511.22606).

    The backbone is the released one: widths 16, 32, 64 and 128, one convolution 3³ with batch norm and ReLU per
    level, max-pooling, transposed convolutions 2³, concatenation, a 1³ convolution to the classes; 668,673
    parameters with two inputs and one output channel. The released code has no gates. The paper describes
    spatial gating modules in the skip connections that work on groups of features and are close to binary, but
    neither the number of groups, nor the threshold, nor the gradient: :class:`SpatialGate` is our design. With
    it, the same network has 671,685 parameters (0.67 M in the paper). ``gates=False`` gives the released network;
    `groups` is the number of groups of channels in each gate and divides 16, 32 and 64.
    """

    def __init__(self, input_channels: int, num_classes: int, *, gates: bool = True, groups: int = 4):
        super().__init__()
        self.down = nn.ModuleList(map(_Level, (input_channels, *WIDTHS[:-1]), WIDTHS))
        self.pool = nn.MaxPool3d(2)
        skips = WIDTHS[-2::-1]
        self.gates = nn.ModuleList(SpatialGate(width, groups=groups) if gates else nn.Identity() for width in skips)
        self.upsample = nn.ModuleList(nn.ConvTranspose3d(2 * width, width, 2, stride=2) for width in skips)
        self.up = nn.ModuleList(_Level(2 * width, width) for width in skips)
        self.head = nn.Conv3d(WIDTHS[0], num_classes, 1)
        self.apply(self.initialize)

    #: Kaiming normal, as the recipe has it; the gates' `opening` stays 1. nnU-Net calls it after building.
    initialize = staticmethod(initialize)

    def forward(self, image: Tensor) -> Tensor:
        """(B, input_channels, X, Y, Z), sides multiples of 8, to logits (B, num_classes, X, Y, Z)."""
        skips = []
        features = image
        for number, level in enumerate(self.down):
            features = level(self.pool(features) if number else features)
            skips.append(features)
        features = skips.pop()
        for gate, upsample, level in zip(self.gates, self.upsample, self.up, strict=True):
            features = level(torch.cat([upsample(features), gate(skips.pop())], dim=1))
        return self.head(features)
