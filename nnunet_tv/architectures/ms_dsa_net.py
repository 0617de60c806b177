"""MS-DSA-Net: a U-shaped network with dual self-attention at its four coarse scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from nnunet_tv.architectures.blocks import ResidualUnit, UpStep
from nnunet_tv.architectures.dual_self_attention import TransformerPathway
from nnunet_tv.architectures.initialization import initialize
from nnunet_tv.architectures.published import translated
from nnunet_tv.architectures.registry import NETWORKS

#: Widths of the encoder's stages.
WIDTHS = (16, 32, 64, 128, 256, 512)
#: Stages (from 0) with a transformer pathway, and the projected positions P of each.
PATHWAYS = {2: 64, 3: 64, 4: 64, 5: 32}


class MSDSANet(nn.Module):
    """MS-DSA-Net (Zhang et al. 2024, Insights into Imaging 15:222), written from its description.

    Six encoder stages of residual units with max-pooling between them; transformer pathways with dual
    self-attention (:class:`~nnunet_tv.architectures.dual_self_attention.DualSelfAttention`) at stages 3 to 6,
    half as wide; a decoder of five steps that joins pathways 5, 4, 3 and stages 2, 1; a 1³ convolution to the
    classes, no final nonlinearity. Position embeddings and the key/value projection are sized by the input:
    a network is built for one patch size.

    Parameters
    ----------
    input_channels, num_classes : int
        Images per case (2, T1w and FLAIR, in the papers), and output channels, background included.
    input_size : sequence of 3 int
        Patch size in voxels: sides are multiples of 32 (five poolings) and at least 64 (at 32 the deepest map is one
        voxel, which instance norm cannot normalise); else PatchSizeError, a ValueError.
    deep_supervision : bool
        Must be False: there is one output.
    published_token_order : bool
        Of :class:`~nnunet_tv.architectures.dual_self_attention.DualSelfAttention`; True for published weights.
    dropout : float
        Of attention maps, and of whole channels at the end of each transformer block.
    """

    def __init__(self, input_channels: int, num_classes: int, *, input_size: Sequence[int],
                 deep_supervision: bool = False, published_token_order: bool = True, dropout: float = 0.1):
        super().__init__()
        if deep_supervision:
            raise ValueError("MSDSANet has one output: build it with deep_supervision=False (in a trainer, "
                             "set enable_deep_supervision to False)")
        self.input_channels, self.input_size = input_channels, NETWORKS["ms-dsa-net"].rule.check(input_size)
        self.stages = nn.ModuleList(map(ResidualUnit, (input_channels, *WIDTHS[:-1]), WIDTHS))
        self.pool = nn.MaxPool3d(2)
        self.pathways = nn.ModuleList(
            TransformerPathway(WIDTHS[stage], [side >> stage for side in self.input_size], dropout=dropout,
                               projected_positions=projected, published_token_order=published_token_order)
            for stage, projected in PATHWAYS.items())
        skips = [width // 2 if stage in PATHWAYS else width for stage, width in enumerate(WIDTHS)]
        self.steps = nn.ModuleList(map(UpStep, skips[:0:-1], skips[-2::-1]))
        self.head = nn.Conv3d(skips[0], num_classes, 1)
        self.apply(self.initialize)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, num_classes, *input_size) of a batch of patches (B, input_channels, *input_size).

        ValueError for another spatial shape or number of channels.
        """
        if image.shape[1] != self.input_channels:
            raise ValueError(f"this MSDSANet takes {self.input_channels} channels, found {image.shape[1]} in an input "
                             f"of shape {tuple(image.shape)}: is a file of the case (CASE_0000, CASE_0001) missing?")
        if tuple(image.shape[2:]) != self.input_size:
            raise ValueError(f"this MSDSANet was built for patches of {self.input_size}, found "
                             f"{tuple(image.shape[2:])} in an input of shape {tuple(image.shape)}")
        skips = []
        features = image
        for number, stage in enumerate(self.stages):
            features = stage(features if number == 0 else self.pool(features))
            skips.append(features)
        for number, pathway in zip(PATHWAYS, self.pathways, strict=True):
            skips[number] = pathway(skips[number])
        features = skips.pop()
        for step in self.steps:
            features = step(features, skips.pop())
        return self.head(features)

    #: Kaiming normal and Xavier uniform; nnU-Net calls it after building a network.
    initialize = staticmethod(initialize)

    @classmethod
    def from_published(cls, state_dict: Mapping, *, input_size: Sequence[int], input_channels: int = 2,
                       num_classes: int = 2) -> MSDSANet:
        """Network, in training mode, with the weights of a published checkpoint; other arguments as they were trained.

        `state_dict`, in the published layout, may be wrapped in ``state_dict`` or ``model_state_dict``, and names may
        have the prefix ``module.``; it is not changed. PublishedWeightsError lists all that is wrong.
        """
        network = cls(input_channels, num_classes, input_size=input_size)
        network.load_state_dict(translated(state_dict, network.state_dict()))
        return network
