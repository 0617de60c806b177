"""SG-Net: the released count, and gates that are hard forwards and have a gradient backwards."""

import pytest
import torch

from nnunet_tv.architectures.sg_net import SGNet, SpatialGate


@pytest.mark.parametrize(("gates", "count"), [(False, 668_673), (True, 671_685)])
def test_parameters_of_the_released_network_and_of_the_gated_one(gates, count):
    assert sum(parameter.numel() for parameter in SGNet(2, 1, gates=gates).parameters()) == count


@pytest.fixture
def gate():
    """About half of it is open."""
    torch.manual_seed(0)
    gate = SpatialGate(16, groups=4)
    torch.nn.init.zeros_(gate.opening)
    return gate


@pytest.mark.parametrize("half", [False, True])
def test_gates_are_exactly_zero_or_one_and_not_all_alike(gate, half):
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        gates = gate.gates(torch.randn(2, 16, 8, 8, 8))
    assert gates.shape == (2, 4, 8, 8, 8)
    assert set(gates.float().unique().tolist()) == {0.0, 1.0}


def test_what_passes_is_unchanged_and_the_rest_is_zero(gate):
    features = torch.randn(1, 16, 6, 6, 6)
    opened = gate.gates(features).repeat_interleave(4, dim=1).bool()
    result = gate(features)
    assert torch.equal(result[opened], features[opened])
    assert not result[~opened].any() and (~opened).any()


def test_the_gradient_is_that_of_the_sigmoid(gate):
    features = torch.randn(1, 16, 5, 5, 5, dtype=torch.float64)
    gate = gate.double()
    weights = torch.randn(1, 4, 5, 5, 5, dtype=torch.float64)
    (gate.gates(features) * weights).sum().backward()
    straight = gate.score.weight.grad.clone(), gate.opening.grad.clone()
    gate.zero_grad()
    grouped = features.view(1, 4, 4, 5, 5, 5)
    pooled = torch.stack([grouped.mean(2), grouped.max(2).values], 2).view(1, 8, 5, 5, 5)
    (torch.sigmoid(gate.score(pooled) + gate.opening.view(1, 4, 1, 1, 1)) * weights).sum().backward()
    torch.testing.assert_close(straight, (gate.score.weight.grad, gate.opening.grad))
    assert straight[0].abs().min() > 0


def test_a_closed_gate_can_open_again():
    torch.manual_seed(0)
    gate = SpatialGate(4, groups=1)
    features = torch.rand(1, 4, 6, 6, 6)
    with torch.no_grad():
        gate.opening.fill_(-1.0)
        gate.score.weight.zero_()
    assert not gate(features).any()
    optimizer = torch.optim.SGD(gate.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        (gate(features) - features).square().sum().backward()
        optimizer.step()
        if gate.gates(features).all():
            return
    raise AssertionError("the gate stayed closed")


def test_groups_see_their_own_channels_only(gate):
    features = torch.randn(1, 16, 6, 6, 6)
    changed = features.clone()
    changed[:, 4:8] = torch.randn(1, 4, 6, 6, 6)
    before, after = gate.gates(features), gate.gates(changed)
    assert torch.equal(before[:, [0, 2, 3]], after[:, [0, 2, 3]])
    assert not torch.equal(before[:, 1], after[:, 1])


def test_the_gates_of_the_network_are_used():
    torch.manual_seed(0)
    network = SGNet(2, 2).eval()
    image = torch.randn(1, 2, 16, 16, 16)
    with torch.no_grad():
        usual = network(image)
        for gate in network.gates:
            gate.opening.fill_(1e4)
        opened = network(image)
        plain = SGNet(2, 2, gates=False).eval()
        plain.load_state_dict({name: value for name, value in network.state_dict().items()
                               if not name.startswith("gates.")})
        assert torch.equal(opened, plain(image))
    assert not torch.equal(usual, opened)


def test_initialising_again_keeps_the_openings():
    network = SGNet(2, 2)
    with torch.no_grad():
        network.gates[0].opening.fill_(0.3)
    network.apply(network.initialize)
    assert (network.gates[0].opening == 0.3).all() and (network.gates[1].opening == 1).all()


def test_what_cannot_be_grouped_is_refused():
    with pytest.raises(ValueError, match=r"channels \(16\) must be divisible by groups \(3\)"):
        SpatialGate(16, groups=3)
    with pytest.raises(ValueError, match="kernel_size must be odd, found 4"):
        SpatialGate(16, kernel_size=4)
