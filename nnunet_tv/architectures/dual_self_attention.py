"""Dual self-attention, and the transformer pathway built on it (MS-DSA-Net)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, scaled_dot_product_attention

from nnunet_tv.architectures.blocks import ResidualUnit

HEADS = 4
BLOCKS = 3


class DualSelfAttention(nn.Module):
    """Attention over channels and over positions, in parallel, added.

    With C = heads · c channels and N positions, one linear map gives q, k and a value for each branch, each
    (B, heads, N, c). A learned matrix (N, P) projects the positions of k and of the spatial value. q and k
    are then L2-normalised along N. Per head,

    - channels: softmax(qᵀ k · t1) (c × c) times the channel value;
    - positions: softmax(q k_Pᵀ · t2) (N × P) times v_P.

    The published implementation turns the spatial result (B, heads, N, c) into (B, c, heads, N) and then
    reinterprets that memory as (B, N, C), which scatters positions over the token axis (UNETR++ has the
    same slip). Published weights were trained with it, so it is the default;
    ``published_token_order=False`` gives the clean order, (B, N, C) with C read as [head, c], for training
    anew. Weights of one are of no use in the other. `channels`, `positions` and `projected_positions` are C (divisible
    by `heads`), N and P; `dropout` is that of both attention maps.
    """

    def __init__(self, channels: int, positions: int, *, projected_positions: int, heads: int = HEADS,
                 dropout: float = 0.1, published_token_order: bool = True):
        super().__init__()
        if channels % heads:
            raise ValueError(f"channels ({channels}) must be divisible by heads ({heads})")
        self.heads, self.dropout, self.published_token_order = heads, dropout, published_token_order
        self.qkvv = nn.Linear(channels, 4 * channels, bias=False)
        self.channel_temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.spatial_temperature = nn.Parameter(torch.ones(heads, 1, 1))
        bound = 1 / math.sqrt(projected_positions)
        projection = torch.empty(positions, projected_positions).uniform_(-bound, bound)
        self.position_projection = nn.Parameter(projection)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        batch, positions, channels = tokens.shape
        parts = self.qkvv(tokens).view(batch, positions, 4, self.heads, channels // self.heads)
        query, key, channel_value, spatial_value = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, N, c)
        projection = self.position_projection.T
        projected_key, projected_value = projection @ key, projection @ spatial_value  # (B, heads, P, c)
        # at least float32: the squares are summed over up to 32768 positions
        precise = torch.promote_types(parts.dtype, torch.float32)
        query = normalize(query.to(precise), dim=2).to(parts.dtype)
        key = normalize(key.to(precise), dim=2).to(parts.dtype)
        return (self._channel_branch(query, key, channel_value)
                + self._spatial_branch(query, projected_key, projected_value))

    def _channel_branch(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        weights = torch.softmax(query.mT @ key * self.channel_temperature, dim=-1)  # (B, heads, c, c)
        weights = torch.dropout(weights, self.dropout, self.training)
        return (value @ weights.mT).transpose(1, 2).flatten(2)

    def _spatial_branch(self, query: Tensor, projected_key: Tensor, projected_value: Tensor) -> Tensor:
        result = scaled_dot_product_attention(
            (query * self.spatial_temperature).to(projected_key.dtype), projected_key, projected_value,
            dropout_p=self.dropout if self.training else 0.0, scale=1.0,
        )  # (B, heads, N, c); the N × P map is not kept where a fused kernel exists
        if self.published_token_order:
            batch, heads, positions, width = result.shape
            return result.permute(0, 3, 1, 2).reshape(batch, positions, heads * width)
        return result.transpose(1, 2).flatten(2)


class TransformerBlock(nn.Module):
    """Position embedding, scaled dual self-attention, then a residual unit, on a map of `channels` and `size`.

    Other arguments as in :class:`DualSelfAttention`; `dropout` also drops whole channels before the last convolution.
    """

    def __init__(self, channels: int, size: Sequence[int], *, projected_positions: int, dropout: float = 0.1,
                 published_token_order: bool = True):
        super().__init__()
        positions = math.prod(size)
        self.position_embedding = nn.Parameter(torch.zeros(1, positions, channels))
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))
        self.norm = nn.LayerNorm(channels)
        self.attention = DualSelfAttention(channels, positions, projected_positions=projected_positions,
                                           dropout=dropout, published_token_order=published_token_order)
        self.unit = ResidualUnit(channels, channels, norm=nn.BatchNorm3d)
        self.project = nn.Sequential(nn.Dropout3d(dropout), nn.Conv3d(channels, channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same; positions are flattened in (X, Y, Z) order."""
        tokens = features.flatten(2).transpose(1, 2) + self.position_embedding
        tokens = tokens + self.scale * self.attention(self.norm(tokens))
        features = tokens.transpose(1, 2).reshape(features.shape)
        return features + self.project(self.unit(features))


def transformer_blocks(channels: int, size: Sequence[int], **settings: Any) -> nn.Sequential:
    """:data:`BLOCKS` transformer blocks in a row."""
    return nn.Sequential(*(TransformerBlock(channels, size, **settings) for _ in range(BLOCKS)))


class TransformerPathway(nn.Module):
    """1³ convolution that halves the width `channels_in`, group norm, and transformer blocks on a map of `size`.

    `projected_positions`, `dropout` and `published_token_order` are those of :class:`TransformerBlock`.
    """

    def __init__(self, channels_in: int, size: Sequence[int], *, projected_positions: int, dropout: float = 0.1,
                 published_token_order: bool = True):
        super().__init__()
        channels = channels_in // 2
        self.reduce = nn.Sequential(nn.Conv3d(channels_in, channels, 1, bias=False),
                                    nn.GroupNorm(channels // 2, channels))
        self.blocks = transformer_blocks(channels, size, projected_positions=projected_positions, dropout=dropout,
                                         published_token_order=published_token_order)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels_in, X, Y, Z) to (B, channels_in / 2, X, Y, Z)."""
        return self.blocks(self.reduce(features))
