"""Reference implementations: attention by einsum that keeps the N × P map, Dice and TV over one-hot targets."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from nnunet_tv.architectures.dual_self_attention import DualSelfAttention


class EinsumAttention(nn.Module):
    """:class:`DualSelfAttention` with every map kept; shares its parameters."""

    def __init__(self, ours: DualSelfAttention):
        super().__init__()
        self.ours = ours
        self.drop = nn.Dropout(ours.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        ours = self.ours
        batch, positions, channels = tokens.shape
        parts = ours.qkvv(tokens).reshape(batch, positions, 4, ours.heads, channels // ours.heads)
        query, key, channel_value, spatial_value = (part.transpose(-2, -1) for part in parts.permute(2, 0, 3, 1, 4))
        projected_key = torch.einsum("bhdn,nk->bhdk", key, ours.position_projection)
        projected_value = torch.einsum("bhdn,nk->bhdk", spatial_value, ours.position_projection)
        query, key = normalize(query, dim=-1), normalize(key, dim=-1)
        channel_map = torch.einsum("bhdn,bhen->bhde", query, key) * ours.channel_temperature
        channel = torch.einsum("bhde,bhen->bhdn", self.drop(channel_map.softmax(-1)), channel_value)
        position_map = torch.einsum("bhdn,bhdk->bhnk", query, projected_key) * ours.spatial_temperature
        spatial = torch.einsum("bhnk,bhdk->bhdn", self.drop(position_map.softmax(-1)), projected_value)
        channel = channel.permute(0, 3, 1, 2).reshape(batch, positions, channels)
        if ours.published_token_order:
            spatial = spatial.permute(0, 2, 1, 3).reshape(batch, positions, channels)
        else:
            spatial = spatial.permute(0, 3, 1, 2).reshape(batch, positions, channels)
        return channel + spatial


class NoAttention(nn.Module):
    """Identity in place of attention: the bound of what a faster attention could gain."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) to the same."""
        return tokens


def replace_attention(network: nn.Module, by) -> nn.Module:
    """`network` itself, with ``by(attention)`` in place of each dual self-attention."""
    for module in network.modules():
        if isinstance(getattr(module, "attention", None), DualSelfAttention):
            module.attention = by(module.attention)
    return network


class PlainDiceTV(nn.Module):
    """Dice + w · TV of softmax's foreground channel, with a one-hot target and sliced differences."""

    def __init__(self, tv_weight: float = 0.1, smooth: float = 1e-5):
        super().__init__()
        self.tv_weight, self.smooth = tv_weight, smooth

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of (B, 2, X, Y, Z) logits and (B, 1, X, Y, Z) labels."""
        probability = torch.softmax(logits.float(), 1)
        hot = one_hot(target[:, 0].long(), 2).movedim(-1, 1).to(probability.dtype)
        p, g = probability[:, 1:], hot[:, 1:]
        axes = [0, *range(2, p.ndim)]
        intersection = torch.sum(g * p, dim=axes)
        total = torch.sum(g, dim=axes) + torch.sum(p, dim=axes)
        dice = 1 - (2 * intersection + self.smooth) / (total + self.smooth)
        tv = (torch.abs(p[:, :, 1:] - p[:, :, :-1]).mean() + torch.abs(p[:, :, :, 1:] - p[:, :, :, :-1]).mean()
              + torch.abs(p[..., 1:] - p[..., :-1]).mean())
        return dice.mean() + self.tv_weight * tv
