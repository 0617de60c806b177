"""Networks, one per file; :mod:`nnunet_tv.architectures.registry` lists them with the facts that plans need."""

from __future__ import annotations

from nnunet_tv.architectures.ms_dsa_net import MSDSANet
from nnunet_tv.architectures.published import PublishedWeightsError
from nnunet_tv.architectures.sg_net import SGNet
from nnunet_tv.architectures.unetr_pp import UNETRPlusPlus

__all__ = ["MSDSANet", "PublishedWeightsError", "SGNet", "UNETRPlusPlus"]
