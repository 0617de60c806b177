"""Volumes on their grids: reading, writing, affine transforms, resampling."""
