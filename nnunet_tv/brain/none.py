"""No brain mask: the skull is kept."""

from nnunet_tv.brain.registry import BrainMethod

METHOD = BrainMethod()
