"""Triton kernels of :mod:`nnunet_tv.losses.fused_gpu`; the one file that imports Triton, so import it late.

A program has a box of BX·BY·BZ voxels of one patch. Along the last axis its reads are contiguous; neighbours along the
others come from the caches, most often from the program's own box. Coordinates are counted per axis, so no voxel pays
for a division. At a volume's border the neighbour is the voxel itself: a step of 0, whose sign is 0. Offsets are int64:
a batch may have more than 2³¹ elements.

Arguments: X, Y, Z are the volume's sides; lb, lc, lx, ly, lz the logits' strides along batch, channel, x, y, z; t*
those of the labels, r* of the result; wx, wy, wz what a step of 1 along that axis adds to the loss.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _box(X, Y, Z, BX: tl.constexpr, BY: tl.constexpr, BZ: tl.constexpr):
    """Patch of the program, the coordinates of its voxels, and which of them exist."""
    along_z, along_y, along_x = tl.cdiv(Z, BZ), tl.cdiv(Y, BY), tl.cdiv(X, BX)
    box = tl.program_id(0)
    z = (box % along_z) * BZ + tl.arange(0, BZ)[None, None, :]
    box //= along_z
    y = (box % along_y) * BY + tl.arange(0, BY)[None, :, None]
    box //= along_y
    x = (box % along_x) * BX + tl.arange(0, BX)[:, None, None]
    inside = (x < X) & (y < Y) & (z < Z)
    return (box // along_x).to(tl.int64), x.to(tl.int64), y.to(tl.int64), z.to(tl.int64), inside


@triton.jit
def _logit(logits, channel_stride, offset, inside):
    """Foreground minus background logit, float32; 0 outside."""
    background = tl.load(logits + offset, mask=inside, other=0.0).to(tl.float32)
    return tl.load(logits + channel_stride + offset, mask=inside, other=0.0).to(tl.float32) - background


@triton.jit
def _sigmoid(logit):
    """As torch computes it; where the exponential overflows, 0."""
    return 1.0 / (1.0 + tl.exp(-logit))


@triton.jit
def _sign(a, b):
    """Sign of a - b."""
    return (a > b).to(tl.float32) - (a < b).to(tl.float32)


@triton.jit
def sums(logits, labels, partials, X, Y, Z, lb, lc, lx, ly, lz, tb, tx, ty, tz, wx, wy, wz,
         TV: tl.constexpr, BX: tl.constexpr, BY: tl.constexpr, BZ: tl.constexpr):
    """Each program's Σ p·g, Σ p + g, Σ weighted steps and number of labels that are not 0 or 1."""
    b, x, y, z, inside = _box(X, Y, Z, BX, BY, BZ)
    there = b * lb + x * lx + y * ly + z * lz
    p = _sigmoid(_logit(logits, lc, there, inside))
    label = tl.load(labels + (b * tb + x * tx + y * ty + z * tz), mask=inside, other=0)
    g = label.to(tl.float32)
    steps = tl.zeros_like(p)
    if TV:
        right = _sigmoid(_logit(logits, lc, there + (x + 1 < X).to(tl.int64) * lx, inside))
        steps += wx * tl.abs(right - p)
        right = _sigmoid(_logit(logits, lc, there + (y + 1 < Y).to(tl.int64) * ly, inside))
        steps += wy * tl.abs(right - p)
        right = _sigmoid(_logit(logits, lc, there + (z + 1 < Z).to(tl.int64) * lz, inside))
        steps += wz * tl.abs(right - p)
    # sums last: each waits for the whole program, and a read that comes after it would wait too
    program, programs = tl.program_id(0), tl.num_programs(0)
    tl.store(partials + program, tl.sum(p * g))
    tl.store(partials + programs + program, tl.sum(tl.where(inside, p, 0.0) + g))
    tl.store(partials + 2 * programs + program, tl.sum(steps))
    tl.store(partials + 3 * programs + program, tl.sum(tl.where((label == 0) | (label == 1), 0.0, 1.0)))


@triton.jit
def finish(partials, programs, value, valid, scalars, dice_weight, smooth, BLOCK: tl.constexpr):
    """One program: the loss, whether every label was 0 or 1, and d Dice loss / dp = scalars[0] + scalars[1]·g."""
    lane = tl.arange(0, BLOCK)
    overlap, total = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)
    variation, bad = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)
    for start in range(0, programs, BLOCK):
        there, exists = partials + start + lane, start + lane < programs
        overlap += tl.load(there, mask=exists, other=0.0)
        total += tl.load(there + programs, mask=exists, other=0.0)
        variation += tl.load(there + 2 * programs, mask=exists, other=0.0)
        bad += tl.load(there + 3 * programs, mask=exists, other=0.0)
    below = tl.sum(total) + smooth
    dice = (2 * tl.sum(overlap) + smooth) / below
    tl.store(value, dice_weight * (1 - dice) + tl.sum(variation))
    tl.store(scalars, dice_weight * (dice / below))
    tl.store(scalars + 1, -2 * dice_weight / below)
    tl.store(valid, tl.where(tl.sum(bad) > 0, 0.0, 1.0))


@triton.jit
def gradient(logits, labels, scalars, grad, result, X, Y, Z, lb, lc, lx, ly, lz, tb, tx, ty, tz, rb, rc, rx, ry, rz,
             wx, wy, wz, TV: tl.constexpr, BX: tl.constexpr, BY: tl.constexpr, BZ: tl.constexpr):
    """Gradient of the logits; a step has the sign of the logits' own step, since the sigmoid rises."""
    b, x, y, z, inside = _box(X, Y, Z, BX, BY, BZ)
    there = b * lb + x * lx + y * ly + z * lz
    logit = _logit(logits, lc, there, inside)
    g = tl.load(labels + (b * tb + x * tx + y * ty + z * tz), mask=inside, other=0).to(tl.float32)
    slope = tl.load(scalars) + tl.load(scalars + 1) * g
    if TV:
        slope += wx * (_sign(logit, _logit(logits, lc, there - (x > 0).to(tl.int64) * lx, inside))
                       + _sign(logit, _logit(logits, lc, there + (x + 1 < X).to(tl.int64) * lx, inside)))
        slope += wy * (_sign(logit, _logit(logits, lc, there - (y > 0).to(tl.int64) * ly, inside))
                       + _sign(logit, _logit(logits, lc, there + (y + 1 < Y).to(tl.int64) * ly, inside)))
        slope += wz * (_sign(logit, _logit(logits, lc, there - (z > 0).to(tl.int64) * lz, inside))
                       + _sign(logit, _logit(logits, lc, there + (z + 1 < Z).to(tl.int64) * lz, inside)))
    p = _sigmoid(logit)
    lesion = tl.load(grad) * (slope * (p * (1 - p)))
    there = b * rb + x * rx + y * ry + z * rz
    tl.store(result + there, -lesion, mask=inside)
    tl.store(result + rc + there, lesion, mask=inside)
