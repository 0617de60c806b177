"""bfloat16 on the CPU: when it is tried, and the patch that is compared with float32."""

import pytest
import torch

from nnunet_tv.inference import precision
from nnunet_tv.inference.precision import differing_voxels, has_bfloat16, surest_patch, use_bfloat16


@pytest.mark.parametrize("line, found", [
    ("flags\t\t: fpu avx512f avx512_bf16 amx_tile", True), ("flags\t\t: fpu avx512f avx2", False),
    ("Features\t: fp asimd bf16", True), ("model name : bf16", False)])
def test_instructions_of_the_processor(tmp_path, line, found):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    assert has_bfloat16(tmp_path / "cpuinfo") is found
    assert has_bfloat16(tmp_path / "nothing") is False


@pytest.mark.parametrize("instructions", [True, False])
def test_when_bfloat16_is_tried(monkeypatch, instructions):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: instructions)
    assert [use_bfloat16(name, "cpu") for name in precision.PRECISIONS] == [instructions, False, True]
    assert not any(use_bfloat16(name, "cuda") for name in precision.PRECISIONS)
    with pytest.raises(ValueError, match="precision is one of auto, float32, bfloat16, not 'half'"):
        use_bfloat16("half", "cpu")


@pytest.mark.parametrize("where", [(0, 0, 0), (19, 3, 8), (10, 5, 4)])
def test_patch_contains_the_surest_voxel(where):
    data = torch.arange(2 * 20 * 6 * 9, dtype=torch.float32).reshape(2, 20, 6, 9)
    logits = torch.zeros(2, 20, 6, 9)
    logits[1][where] = 3
    patch = surest_patch(data, logits, (8, 8, 8))
    assert patch.shape == (1, 2, 8, 8, 8)
    assert (patch == data[(0, *where)]).any() and (patch[0, 0, :, 6:] == 0).all(), "zeros where the image ends"


def test_differing_voxels_are_counted():
    def network(batch):
        """Lesion logits 1, 1.002, 1.004 …: bfloat16 has nothing between 1 and 1.0078, so the third is rounded up."""
        lesion = torch.matmul(torch.ones(1, 1), 1 + torch.arange(4.0)[None] * 2e-3).float()
        return torch.stack([torch.full((1, 4), 1.005), lesion], 1)

    assert differing_voxels(network, torch.zeros(1, 1, 4)) == 1
    assert differing_voxels(lambda batch: torch.stack([batch, batch + 1], 1), torch.zeros(1, 16)) == 0
