"""Dual self-attention against arithmetic written out per head, and what its token orders mean."""

import numpy as np
import pytest
import torch

from nnunet_tv.architectures.dual_self_attention import DualSelfAttention, TransformerBlock

CHANNELS, POSITIONS, PROJECTED, HEADS = 12, 10, 6, 3


@pytest.fixture(params=[True, False], ids=["published", "clean"])
def attention(request):
    torch.manual_seed(0)
    module = DualSelfAttention(CHANNELS, POSITIONS, projected_positions=PROJECTED, heads=HEADS,
                               published_token_order=request.param).double().eval()
    with torch.no_grad():
        module.channel_temperature.uniform_(1, 3)
        module.spatial_temperature.uniform_(1, 3)
    return module


@pytest.fixture
def tokens():
    return torch.randn((2, POSITIONS, CHANNELS), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def softmax(values):
    exponent = np.exp(values - values.max(-1, keepdims=True))
    return exponent / exponent.sum(-1, keepdims=True)


def written_out(module, tokens):
    """The description, head by head, in numpy."""
    weight = module.qkvv.weight.detach().numpy().reshape(4, HEADS, CHANNELS // HEADS, CHANNELS)
    projection = module.position_projection.detach().numpy()
    result = np.zeros(tokens.shape)
    for sample, x in enumerate(tokens.numpy()):
        spatial = []
        for head in range(HEADS):
            q, k, v_channel, v_spatial = (weight[part, head] @ x.T for part in range(4))  # (c, N)
            k_projected, v_projected = k @ projection, v_spatial @ projection  # (c, P)
            q, k = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (q, k))
            channel = softmax(q @ k.T * module.channel_temperature[head].item()) @ v_channel
            result[sample, :, head * 4:head * 4 + 4] += channel.T
            scores = q.T @ k_projected * module.spatial_temperature[head].item()
            spatial.append(softmax(scores) @ v_projected.T)  # (N, c)
        spatial = np.stack(spatial)  # (head, N, c)
        order = (2, 0, 1) if module.published_token_order else (1, 0, 2)
        result[sample] += spatial.transpose(order).reshape(POSITIONS, CHANNELS)
    return result


def test_equals_the_description_written_out(attention, tokens):
    found = attention(tokens).detach().numpy()
    np.testing.assert_allclose(found, written_out(attention, tokens), rtol=1e-9, atol=1e-12)


def test_only_the_clean_order_follows_the_positions(attention, tokens):
    """Positions permuted in the tokens and in the projection: the result is permuted alike, or scattered."""
    order = torch.randperm(POSITIONS, generator=torch.Generator().manual_seed(2))
    expected = attention(tokens)[:, order]
    with torch.no_grad():
        attention.position_projection.copy_(attention.position_projection[order])
    same = torch.allclose(attention(tokens[:, order]), expected)
    assert same == (not attention.published_token_order)


def test_dropout_acts_in_training_only(attention, tokens):
    expected = attention(tokens)
    assert torch.equal(attention(tokens), expected)
    attention.train()
    assert not torch.equal(attention(tokens), attention(tokens))
    attention.dropout = 0.0
    assert torch.equal(attention(tokens), expected)


def test_gradient_is_the_derivative(attention, tokens):
    assert torch.autograd.gradcheck(attention, tokens[:1].requires_grad_())


def test_half_precision_is_near_float32(attention, tokens):
    attention, tokens = attention.float(), tokens.float()
    with torch.autocast("cpu", torch.bfloat16):
        half = attention(tokens)
    torch.testing.assert_close(half.float(), attention(tokens), rtol=0.05, atol=0.05)


def test_heads_must_divide_channels():
    with pytest.raises(ValueError, match=r"channels \(10\) must be divisible by heads \(4\)"):
        DualSelfAttention(10, 8, projected_positions=4)


def test_tokens_are_positions_in_x_y_z_order():
    """A position embedding written at one token appears at one voxel of the map."""
    block = TransformerBlock(8, (2, 3, 4), projected_positions=4).eval()
    with torch.no_grad():
        block.scale.zero_()
        block.project[1].weight.zero_()
        block.project[1].bias.zero_()
        block.position_embedding[0, 1 * 12 + 2 * 4 + 3, 5] = 7.0
    result = block(torch.zeros(1, 8, 2, 3, 4))
    assert result[0, 5, 1, 2, 3].item() == 7 and result.sum().item() == 7
