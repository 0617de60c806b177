"""Raw scans to one grid, ready for nnU-Net."""
