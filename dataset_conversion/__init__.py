"""Converters: one file per public data set, its layout and nothing else."""
