"""MS-DSA-Net: counts, golden output, what it refuses, and that nnU-Net can build it from JSON."""

import json
import math

import numpy as np
import pytest
import torch
from published_checkpoint import PUBLISHED

from nnunet_tv.architectures.ms_dsa_net import MSDSANet

SIZE = (64, 64, 64)


@pytest.fixture(scope="module")
def trained_once():
    """A network after one backward pass at 64³ in training mode, and its output."""
    torch.manual_seed(0)
    network = MSDSANet(2, 2, input_size=SIZE)
    output = network(torch.randn(1, 2, *SIZE))
    (output * torch.randn(output.shape)).sum().backward()
    return network, output.detach()


@pytest.mark.parametrize(("side", "count"), [(128, 43_524_802), (96, 36_957_154), (64, 33_584_578)])
def test_parameter_count(side, count):
    with torch.device("meta"):
        network = MSDSANet(2, 2, input_size=[side] * 3)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_golden_output(published_weights, published_image):
    golden = np.load(PUBLISHED / "ms_dsa_net_64.npz")
    network = MSDSANet.from_published(published_weights, input_size=SIZE).eval()
    with torch.no_grad():
        output = network(torch.from_numpy(published_image)).numpy()
    assert output.shape == tuple(golden["shape"])
    assert np.abs(output[..., ::4, ::4, ::4] - golden["output_stride4"]).max() <= 2e-4
    np.testing.assert_allclose(output.mean((2, 3, 4)), golden["mean"], atol=2e-4)
    np.testing.assert_allclose(output.std((2, 3, 4)), golden["std"], atol=2e-4)


def test_clean_token_order_is_another_function(published_weights, published_image):
    published = MSDSANet.from_published(published_weights, input_size=SIZE).eval()
    clean = MSDSANet(2, 2, input_size=SIZE, published_token_order=False).eval()
    clean.load_state_dict(published.state_dict())
    with torch.no_grad():
        image = torch.from_numpy(published_image)
        assert (clean(image) - published(image)).abs().max() > 0.01


def test_a_step_is_finite_and_gradients_reach_every_parameter(trained_once):
    network, output = trained_once
    assert output.shape == (1, 2, *SIZE) and torch.isfinite(output).all()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_sides_may_differ_and_half_precision_runs():
    network = MSDSANet(1, 3, input_size=(64, 96, 64)).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = network(torch.randn(1, 1, 64, 96, 64))
    assert output.shape == (1, 3, 64, 96, 64) and torch.isfinite(output).all()


def test_nnunet_builds_it_from_json_with_its_initial_values():
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    settings = json.loads(json.dumps({"input_size": SIZE}))
    torch.manual_seed(0)
    network = get_network_from_plans("nnunet_tv.architectures.ms_dsa_net.MSDSANet", settings, [], 2, 2,
                                     deep_supervision=False)
    assert isinstance(network, MSDSANet) and network.input_size == SIZE
    for pathway in network.pathways:
        for block in pathway.blocks:
            attention = block.attention
            assert torch.equal(block.scale, torch.full_like(block.scale, 1e-6))
            assert not block.position_embedding.any()
            assert (attention.channel_temperature == 1).all() and (attention.spatial_temperature == 1).all()
            bound = 1 / math.sqrt(attention.position_projection.shape[1])
            assert 0.9 * bound < attention.position_projection.abs().max() <= bound
            assert (block.norm.weight == 1).all() and not block.norm.bias.any()
            assert (block.unit.norm1.weight == 1).all() and not block.project[1].bias.any()
    # standard deviations of Kaiming normal (slope 0.01) and of Xavier uniform
    convolution = network.stages[5].conv2.weight
    assert convolution.std().item() == pytest.approx(math.sqrt(2 / (1 + 1e-4) / (512 * 27)), rel=0.01)
    linear = network.pathways[3].blocks[0].attention.qkvv.weight
    assert linear.std().item() == pytest.approx(math.sqrt(2 / (256 + 1024)), rel=0.01)


def test_initialize_again_keeps_what_is_no_weight():
    network = MSDSANet(2, 2, input_size=SIZE)
    block = network.pathways[3].blocks[0]
    with torch.no_grad():
        block.scale.fill_(0.3)
        block.position_embedding.fill_(0.2)
    projection = block.attention.position_projection.clone()
    network.apply(network.initialize)
    assert (block.scale == 0.3).all() and (block.position_embedding == 0.2).all()
    assert torch.equal(block.attention.position_projection, projection)


def test_other_inputs_are_refused(trained_once):
    with pytest.raises(ValueError, match=r"built for patches of \(64, 64, 64\), found \(64, 64, 96\)"):
        trained_once[0](torch.zeros(1, 2, 64, 64, 96))
    with pytest.raises(ValueError, match=r"one output.*deep_supervision=False"):
        MSDSANet(2, 2, input_size=SIZE, deep_supervision=True)
    with pytest.raises(ValueError, match=r"multiples of 32 and at least 64; in \[64, 64, 100\] axis 2 is 100"):
        MSDSANet(2, 2, input_size=(64, 64, 100))
