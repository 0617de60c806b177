"""Preparation of scans: the scans of a case on one grid, ready for nnU-Net."""
