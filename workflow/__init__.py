"""Snakemake workflow, its configurations and profiles; installed as ``nnunet_tv.workflow``."""
