"""The published layout: every name, wrappers, and everything that is wrong listed at once."""

import pytest
import torch
from published_checkpoint import published_layout

from nnunet_tv.architectures.ms_dsa_net import MSDSANet
from nnunet_tv.architectures.published import PublishedWeightsError, cube_side, published_name, translated, unwrapped
from nnunet_tv.utils.errors import NnunetTVError

SIZE = (64, 64, 64)


@pytest.fixture(scope="module")
def shapes():
    """State dict of our network without storage."""
    with torch.device("meta"):
        return MSDSANet(2, 2, input_size=SIZE)


def test_names_shapes_and_kinds_are_the_published_ones(shapes):
    trained = {name for name, _ in shapes.named_parameters()}
    ours = {published_name(name): (tuple(tensor.shape), name in trained)
            for name, tensor in shapes.state_dict().items()}
    assert ours == published_layout()


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrappers_and_prefixes(published_weights, shapes, wrapper, prefix):
    content = {prefix + name: tensor for name, tensor in published_weights.items()}
    if wrapper:
        content = {"epoch": 3, wrapper: content}
    before = list(content)
    found = translated(content, shapes.state_dict())
    assert found["stages.0.conv1.weight"] is published_weights["encoder1.layer.conv1.conv.weight"]
    assert list(found) == list(shapes.state_dict()) and list(content) == before


def test_every_problem_is_listed(published_weights):
    del published_weights["out.conv.conv.bias"], published_weights["trans4.1.dsa.EF"]
    published_weights["head.weight"] = torch.zeros(3, 4)
    published_weights["trans3.0.gamma"] = torch.zeros(31)
    published_weights["trans3.0.norm.bias"] = torch.full((32,), float("nan"))
    with pytest.raises(PublishedWeightsError) as caught:
        MSDSANet.from_published(published_weights, input_size=SIZE)
    message = str(caught.value)
    assert isinstance(caught.value, NnunetTVError) and isinstance(caught.value, ValueError)
    assert "(5 problems" in message
    for line in ("missing: out.conv.conv.bias 2", "missing: trans4.1.dsa.EF 512x64", "unexpected: head.weight 3x4",
                 "shape of trans3.0.gamma: expected 32, found 31", "NaN or infinite values in trans3.0.norm.bias"):
        assert line in message


@pytest.mark.parametrize(("read", "content", "words"), [
    (unwrapped, [1, 2], "found list: save"),
    (unwrapped, {}, "found nothing: save"),
    (unwrapped, {"state_dict": {}}, "found nothing: save"),
    (unwrapped, {"weights": torch.zeros(1), "epoch": 3}, "other values under epoch: save"),
    (cube_side, {"trans3.0.pos_embed": torch.empty(1, 16 * 16 * 24, 32)}, "6144 positions.*no cube: give the patch"),
    (cube_side, {"fc.weight": torch.zeros(3)}, r"no position embeddings \(trans3.0.pos_embed"),
    (cube_side, {"trans3.0.pos_embed": torch.zeros(4096)}, "no position embeddings"),
])
def test_no_state_dict_or_no_cube(read, content, words):
    with pytest.raises(PublishedWeightsError, match=words):
        read(content)


def test_cube_side_is_read_from_the_position_embeddings(published_weights):
    assert cube_side(published_weights) == 64
    assert cube_side({"trans3.0.pos_embed": torch.empty(1, 32**3, 32, device="meta")}) == 128
