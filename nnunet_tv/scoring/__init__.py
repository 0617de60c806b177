"""Scoring of folders of segmentations: one row per case, run and stage."""
