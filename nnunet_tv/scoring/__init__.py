"""Folders of segmentations to scored rows."""
