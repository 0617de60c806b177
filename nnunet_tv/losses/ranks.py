"""Sums of a loss over the ranks of distributed training."""

from torch import Tensor


def over_ranks(value: Tensor) -> Tensor:
    """`value` of every rank, stacked along a new first axis, with the gradient of each rank's own.

    DDP averages gradients over ranks; nnU-Net's ``AllGatherGrad`` adds them up, so that a loss computed
    from what this returns has the gradient of the whole batch.
    """
    from nnunetv2.utilities.ddp_allgather import AllGatherGrad  # starts nnU-Net's machinery: only when needed

    return AllGatherGrad.apply(value)
