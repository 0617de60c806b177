"""Measures of segmentations as pure functions of arrays."""
