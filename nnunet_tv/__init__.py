"""nnU-Net v2 plugin for focal cortical dysplasia: trainers, converter, filter and report.

This module stays light: it is imported by the interpreter's start-up line (``nnunet_tv.startup``).
"""

__version__ = "0.1.0"
