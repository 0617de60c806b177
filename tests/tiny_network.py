"""A network small enough to train in a test; named in plans as ``tiny_network.TinyNetwork``."""

from torch import nn


class TinyNetwork(nn.Module):
    """Two convolutions with dropout, so that the seed of the network's random numbers matters."""

    def __init__(self, input_channels: int, num_classes: int, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv3d(input_channels, width, 3, padding=1), nn.ReLU(), nn.Dropout3d(0.2),
                                    nn.Conv3d(width, num_classes, 3, padding=1))

    def forward(self, image):
        """Logits of the shape of the image."""
        return self.layers(image)
