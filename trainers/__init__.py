"""Trainers that nnU-Net finds by name; it imports each file of this folder under its bare file name."""
