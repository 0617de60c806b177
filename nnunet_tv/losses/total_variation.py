"""Anisotropic total variation of the foreground probability."""

from torch import Tensor

from nnunet_tv.losses.foreground import Foreground, ForegroundLoss


def total_variation(probability: Tensor, weight: Tensor | None = None) -> Tensor:
    """Sum over spatial axes of the mean absolute difference between neighbours along the axis, a scalar.

    Parameters
    ----------
    probability : Tensor, shape (B, *spatial)
        Any number of spatial axes. An axis of length 1 has no neighbours and adds 0.
    weight : Tensor, shape of `probability`, optional
        Weight of each voxel; a pair of neighbours has the mean of its two. The means over pairs are not
        divided by the weights' sum: 1 everywhere changes nothing.
    """
    means = []
    for axis in range(1, probability.ndim):
        pairs = probability.shape[axis] - 1
        if pairs < 1:
            continue
        steps = probability.diff(dim=axis).abs()
        if weight is not None:
            steps = steps * (weight.narrow(axis, 0, pairs) + weight.narrow(axis, 1, pairs)) / 2
        means.append(steps.mean())
    return sum(means, probability.sum() * 0)  # the zero keeps the graph where there is no neighbour at all


class TotalVariation(ForegroundLoss):
    r"""Total variation, eq. 1 of the TV paper (arXiv 2510.06276), anisotropic (l1).

    .. math:: \text{mean}|\Delta_x p| + \text{mean}|\Delta_y p| + \text{mean}|\Delta_z p|

    Each mean is over that axis's own neighbour pairs in the whole batch, and the means are added, not
    averaged; lesion borders are not excluded. The paper prints a sum over voxels, which over a 128³ patch
    would swamp Dice; its implementation and ours take means.

    The strength therefore depends on the patch size: a perfect segmentation of one 10×10×10 voxel lesion in
    a batch of four gives 7.2e-5 at 128³ and 5.8e-4 at 64³. Choose the weight for the patch size in use.

    The target is checked like that of every loss but adds nothing. Under DDP each rank has its own patches;
    DDP averages the gradients, which is right for a mean.
    """

    def compute(self, foreground: Foreground) -> Tensor:
        return total_variation(foreground.probability)
