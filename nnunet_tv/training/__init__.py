"""The recipe of the TV paper inside nnU-Net, and the parts that it is made of."""
