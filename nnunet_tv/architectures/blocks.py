"""Convolutional blocks of MS-DSA-Net."""

import torch
from torch import Tensor, nn

from nnunet_tv.architectures.initialization import NEGATIVE_SLOPE


class ResidualUnit(nn.Module):
    """Conv 3³, norm, LeakyReLU, conv 3³, norm, plus a shortcut, then LeakyReLU.

    The shortcut is a 1³ convolution with norm where the width changes, else the identity. Convolutions have no bias.
    `norm` is ``nn.InstanceNorm3d`` (no learned parameters) or ``nn.BatchNorm3d`` (affine, running statistics).
    """

    def __init__(self, channels_in: int, channels_out: int, *, norm: type[nn.Module] = nn.InstanceNorm3d):
        super().__init__()
        self.conv1 = nn.Conv3d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm1 = norm(channels_out)
        self.conv2 = nn.Conv3d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = norm(channels_out)
        self.activation = nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.shortcut = nn.Sequential(nn.Conv3d(channels_in, channels_out, 1, bias=False), norm(channels_out))

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels_in, X, Y, Z) to (B, channels_out, X, Y, Z)."""
        result = self.activation(self.norm1(self.conv1(features)))
        result = self.norm2(self.conv2(result))
        return self.activation(result + self.shortcut(features))


class UpStep(nn.Module):
    """One step of the decoder: double the resolution, join the skip connection, residual unit.

    `channels_out` is the width of the skip connection and of the result.
    """

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.upsample = nn.ConvTranspose3d(channels_in, channels_out, 2, stride=2, bias=False)
        self.unit = ResidualUnit(2 * channels_out, channels_out)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """(B, channels_in, X, Y, Z) and (B, channels_out, 2X, 2Y, 2Z) to the latter shape."""
        return self.unit(torch.cat([self.upsample(coarse), skip], dim=1))
