"""The published checkpoint layout of MS-DSA-Net: its names, and how they become ours."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from nnunet_tv.utils.errors import NnunetTVError

#: Keys under which training scripts keep a state dict.
WRAPPERS = ("state_dict", "model_state_dict")
PREFIX = "module."

# ours -> published, applied in order
_RULES = (
    (r"^stages\.(\d+)\.", lambda m: f"encoder{int(m[1]) + 1}.layer."),
    (r"^pathways\.(\d+)\.reduce\.0\.", lambda m: f"patch_embedding{int(m[1]) + 3}.0.conv."),
    (r"^pathways\.(\d+)\.reduce\.1\.", lambda m: f"patch_embedding{int(m[1]) + 3}.1."),
    (r"^pathways\.(\d+)\.blocks\.", lambda m: f"trans{int(m[1]) + 3}."),
    (r"^steps\.(\d+)\.upsample\.", lambda m: f"decoder{5 - int(m[1])}.transp_conv.conv."),
    (r"^steps\.(\d+)\.unit\.", lambda m: f"decoder{5 - int(m[1])}.conv_block."),
    (r"^head\.", lambda m: "out.conv.conv."),
    (r"\bunit\.", lambda m: "conv51."),
    (r"\bconv([12])\.weight", lambda m: f"conv{m[1]}.conv.weight"),
    (r"\bshortcut\.0\.", lambda m: "conv3.conv."),
    (r"\bproject\.1\.", lambda m: "conv8.1."),
    (r"\battention\.channel_temperature$", lambda m: "dsa.temperature"),
    (r"\battention\.spatial_temperature$", lambda m: "dsa.temperature2"),
    (r"\battention\.position_projection$", lambda m: "dsa.EF"),
    (r"\battention\.", lambda m: "dsa."),
    (r"\bscale$", lambda m: "gamma"),
    (r"\bposition_embedding$", lambda m: "pos_embed"),
)


class PublishedWeightsError(NnunetTVError, ValueError):
    """The weights do not fit the published layout."""


def published_name(name: str) -> str:
    """Name in the published layout of the tensor that our network calls `name`.

    >>> published_name("stages.0.shortcut.0.weight"), published_name("pathways.3.blocks.2.scale")
    ('encoder1.layer.conv3.conv.weight', 'trans6.2.gamma')
    """
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name


def unwrapped(content: object) -> dict[str, Tensor]:
    """State dict in the result of ``torch.load``, without wrapper and prefixes, or PublishedWeightsError."""
    if isinstance(content, Mapping):
        content = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping) or not content:
        found = "nothing" if isinstance(content, Mapping) else type(content).__name__
        raise PublishedWeightsError(f"expected a state dict (names to tensors), found {found}: save the "
                                    "network's state_dict()")
    if others := [str(name) for name, value in content.items() if not isinstance(value, Tensor)]:
        raise PublishedWeightsError(f"expected a state dict (names to tensors), found other values under "
                                    f"{', '.join(others)}: save the network's state_dict()")
    prefix = PREFIX if all(name.startswith(PREFIX) for name in content) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in content.items()}


def translated(content: object, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published weights (as for :func:`unwrapped`) under our names, those of our network's state dict `expected`.

    PublishedWeightsError lists every name that is missing, unexpected, of another shape or not finite.
    """
    found = unwrapped(content)
    names = {published_name(name): name for name in expected}
    problems = [f"missing: {name} {_shape(expected[ours])}" for name, ours in names.items() if name not in found]
    problems += [f"unexpected: {name} {_shape(found[name])}" for name in found if name not in names]
    for name in names.keys() & found.keys():
        ours = expected[names[name]]
        if found[name].shape != ours.shape:
            problems.append(f"shape of {name}: expected {_shape(ours)}, found {_shape(found[name])}")
        elif not torch.isfinite(found[name]).all():
            problems.append(f"NaN or infinite values in {name}")
    if problems:
        raise PublishedWeightsError(
            f"the weights do not fit MS-DSA-Net ({len(problems)} problems; is it the right file, patch size, "
            "number of channels and classes?):\n  " + "\n  ".join(sorted(problems)))
    return {ours: found[name] for name, ours in names.items()}


def cube_side(content: Mapping[str, Tensor]) -> int:
    """Side of the cubic patch that published weights were trained with, from their position embeddings.

    `content` is a state dict in the published layout, without wrapper (:func:`unwrapped`). PublishedWeightsError
    without position embeddings, or if their number is not that of a cube.
    """
    name = published_name("pathways.0.blocks.0.position_embedding")
    if name not in content or content[name].ndim != 3:
        raise PublishedWeightsError(f"no position embeddings ({name}, 1 x positions x channels) among the "
                                    "weights: this is not a checkpoint of the published MS-DSA-Net")
    positions = content[name].shape[1]
    side = round(positions ** (1 / 3))
    if side**3 != positions:
        raise PublishedWeightsError(f"the weights have {positions} positions at a quarter of the resolution, "
                                    "which is no cube: give the patch size they were trained with")
    return 4 * side


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
