"""Maps of the reference that a loss needs, made by the data loader's workers and not by the training step."""

from collections.abc import Mapping

import torch
from batchgeneratorsv2.transforms.base.basic_transform import SegOnlyTransform
from torch import Tensor

from nnunet_tv.losses.foreground import ReferenceMap
from nnunet_tv.losses.grid import VoxelGrid


class AppendReferenceMaps(SegOnlyTransform):
    """Append a loss's maps of the reference to the labels, as channels; the last transform of a patch.

    For deep supervision the segmentation is a list of label maps of falling size: each gets maps made from its own
    labels on its own grid. `maps` are those of :meth:`~nnunet_tv.losses.ForegroundLoss.reference_maps`, `grid` is the
    plan's.
    """

    def __init__(self, maps: Mapping[str, ReferenceMap], grid: VoxelGrid):
        super().__init__()
        self.maps, self.grid = dict(maps), grid

    def _apply_to_segmentation(self, segmentation: Tensor | list[Tensor], **params) -> Tensor | list[Tensor]:
        if isinstance(segmentation, list):
            return [self._append(scale) for scale in segmentation]
        return self._append(segmentation)

    def _append(self, labels: Tensor) -> Tensor:
        spacing = self.grid.spacing(labels.shape[1:])
        lesion = labels[:1] == 1
        return torch.cat([labels.float(), *(function(lesion, spacing).float() for function in self.maps.values())])


def labels_of(target: Tensor | list[Tensor]) -> Tensor:
    """Labels (B, 1, *spatial) at full size of a target that may carry maps or scales."""
    return (target[0] if isinstance(target, list) else target)[:, :1]
