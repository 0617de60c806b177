"""nnU-Net plans for a network, and checks of splits."""
