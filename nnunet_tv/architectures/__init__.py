"""Networks, one per file."""

from __future__ import annotations

from nnunet_tv.architectures.ms_dsa_net import MSDSANet, check_input_size
from nnunet_tv.architectures.published import PublishedWeightsError

__all__ = ["MSDSANet", "PublishedWeightsError", "check_input_size"]
