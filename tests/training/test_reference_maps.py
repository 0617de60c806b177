"""Maps of the reference as target channels: at every scale, from both families' pipelines, in the workers."""

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform
from preprocessed_cases import Cases

from nnunet_tv.losses import DiceAdaptiveTVLoss, HausdorffDTLoss, TverskyLoss
from nnunet_tv.losses.distance import squared_distance_or_outside
from nnunet_tv.losses.grid import VoxelGrid
from nnunet_tv.training.patches import SubjectPatches, loader
from nnunet_tv.training.reference_maps import AppendReferenceMaps, labels_of
from nnunet_tv.training.seeds import Stage

GRID = VoxelGrid((1.0, 2.0, 3.0), (16, 16, 16))


def lesion():
    labels = torch.zeros(1, 16, 16, 16, dtype=torch.int16)
    labels[0, 4:9, 5:9, 6:12] = 1
    return labels


def test_the_map_is_a_floating_channel_after_the_labels():
    append = AppendReferenceMaps(HausdorffDTLoss().reference_maps(), GRID)
    found = append(image=torch.zeros(2, 16, 16, 16), segmentation=lesion())["segmentation"]
    assert found.shape == (2, 16, 16, 16) and found.dtype == torch.float32
    assert torch.equal(found[:1], lesion().float())
    torch.testing.assert_close(found[1:], squared_distance_or_outside(lesion() == 1, (1.0, 2.0, 3.0)))
    assert TverskyLoss().reference_maps() == {}


def test_every_scale_has_a_map_of_its_own_labels_and_voxels():
    scales = DownsampleSegForDSTransform([(1, 1, 1), (0.5, 1, 0.5), (0.25, 0.25, 0.25)])(segmentation=lesion())
    append = AppendReferenceMaps(HausdorffDTLoss().reference_maps(), GRID)
    found = append(**scales)["segmentation"]
    assert [tuple(scale.shape) for scale in found] == [(2, 16, 16, 16), (2, 8, 16, 8), (2, 4, 4, 4)]
    for scale, spacing in zip(found, [(1, 2, 3), (2, 2, 6), (4, 8, 12)], strict=True):
        torch.testing.assert_close(scale[1:], squared_distance_or_outside(scale[:1] == 1, spacing))
    torch.testing.assert_close(labels_of([scale[None] for scale in found]), lesion()[None].float())


@pytest.mark.parametrize("make", [HausdorffDTLoss, DiceAdaptiveTVLoss])
def test_with_deep_supervision_the_maps_change_no_loss(make):
    from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper

    loss = make(spacing_mm=GRID.spacing_mm, patch_size=GRID.patch_size)
    scales = DownsampleSegForDSTransform([(1, 1, 1), (0.5, 0.5, 0.5)])(segmentation=lesion())
    plain = [scale[None] for scale in scales["segmentation"]]
    carried = [scale[None] for scale in AppendReferenceMaps(loss.reference_maps(), GRID)(**scales)["segmentation"]]
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(1, 2, *scale.shape[2:], generator=generator) for scale in plain]
    wrapped = DeepSupervisionWrapper(loss, [0.7, 0.3])
    torch.testing.assert_close(wrapped(logits, carried), wrapped(logits, plain))


@pytest.mark.parametrize("stage", list(Stage)[2:4])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_recipes_batches_carry_the_map_after_augmentation(stage, workers):
    def batches(finish):
        patches = SubjectPatches(Cases(["sub-1", "sub-2"]), stage=stage, fold=0, patch_size=(16, 16, 16),
                                 patch_numbers=range(4), transpose_forward=[0, 1, 2],
                                 normalization_schemes=["ZScoreNormalization"] * 2, use_mask_for_norm=[True, True],
                                 finish=finish)
        return list(loader(patches, first_epoch=0, last_epoch=1, workers=workers, pin=False))

    finish = AppendReferenceMaps(DiceAdaptiveTVLoss().reference_maps() | HausdorffDTLoss().reference_maps(), GRID)
    for plain, carried in zip(batches(None), batches(finish), strict=True):
        assert torch.equal(plain["data"], carried["data"])
        assert torch.equal(labels_of(carried["target"]), plain["target"].float())
        assert carried["target"].shape == (4, 3, 16, 16, 16)
        squares = squared_distance_or_outside(plain["target"][:, 0] == 1, GRID.spacing_mm)
        np.testing.assert_allclose(carried["target"][:, 2], squares, rtol=1e-6)
