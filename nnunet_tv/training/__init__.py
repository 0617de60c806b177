"""The recipe of the TV paper inside nnU-Net, and its parts."""
