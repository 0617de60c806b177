"""Synthetic phantoms, data sets of them, and the walk-through of the demo."""
