"""Initial weights of our networks, as the TV paper's recipe has them."""

from torch import nn

NEGATIVE_SLOPE = 0.01


def initialize(module: nn.Module) -> None:
    """Initialise one module, for ``network.apply``: nnU-Net calls it so after building a network.

    Kaiming normal for convolutions, Xavier uniform for linear maps, 1 and 0 for norms, 0 for biases. The
    parameters that are no module's weight (embeddings, scales, projections, temperatures, openings of gates)
    keep the values they were made with.
    """
    if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
        nn.init.kaiming_normal_(module.weight, a=NEGATIVE_SLOPE)
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, (nn.BatchNorm3d, nn.GroupNorm, nn.LayerNorm)):
        nn.init.ones_(module.weight)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
