"""Bytes that a training step keeps for its backward pass: the part of a GPU's memory that depends on the network.

  python benchmarks/saved_for_backward.py --patch 128 --batch 4 --json saved.json

Forward pass of one patch on the CPU in bfloat16 autocast, where every array that autograd keeps is counted once,
weights in half precision apart; a batch keeps its number of patches times the rest. Eager: torch.compile keeps less,
of both. Attention has no dropout here, since on the CPU (unlike on CUDA) its fused kernel
has none. Weights, gradients and AdamW's states (16 bytes a parameter) come on top, and what is short-lived.
"""

import torch
from plain_peers import EinsumAttention
from side_by_side import parser, table, write
from torch import Tensor
from training_step import Contestant

from nnunet_tv.architectures.dual_self_attention import DualSelfAttention


def kept_bytes(contestant: Contestant, patch: int) -> tuple[int, int, int]:
    """Bytes of weights in half precision, of all else, and parameters, of one patch."""
    network, loss = contestant.build(patch)
    for module in network.modules():
        if isinstance(module, DualSelfAttention):
            module.dropout = 0.0
        elif isinstance(module, EinsumAttention):
            module.drop.p = 0.0
    network.train()
    parameters = list(network.parameters())
    shapes = {shape for p in parameters if p.ndim > 1 for shape in (p.shape, p.mT.shape)}
    own = {p.untyped_storage().data_ptr() for p in parameters}
    weights, rest = {}, {}
    held = []  # so that no address is used twice

    def count(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in own:
            (weights if value.shape in shapes else rest)[storage.data_ptr()] = storage.nbytes()
            held.append(value)
        return value

    image, target = torch.randn(1, 2, *[patch] * 3), torch.zeros(1, 1, *[patch] * 3)
    target[..., 10:22, 12:20, 14:30] = 1
    with torch.autograd.graph.saved_tensors_hooks(count, lambda value: value):
        with torch.autocast("cpu", torch.bfloat16):
            output = network(image)
        loss(output, target)
    return sum(weights.values()), sum(rest.values()), sum(p.numel() for p in parameters)


def main() -> None:
    """Run and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--patch", type=int, default=128)
    arguments.add_argument("--batch", type=int, default=4)
    options = arguments.parse_args()
    rows = []
    for name in ("ours", "plain", "no attention", "nnU-Net PlainConvUNet"):
        weights, rest, parameters = kept_bytes(Contestant(name), options.patch)
        rows.append({"name": name, "kept_gib": (weights + options.batch * rest) / 2**30,
                     "fixed_gib": 16 * parameters / 2**30})
    plain = next(row["kept_gib"] for row in rows if row["name"] == "plain")
    for row in rows:
        row["share"] = row["kept_gib"] / plain
    print(table(rows, {"name": "network and loss", "kept_gib": "kept for backward, GiB", "share": "share of plain's",
                       "fixed_gib": "weights, gradients, AdamW, GiB"}))
    write(options.json, {"benchmark": "saved_for_backward", "settings": vars(options), "rows": rows})


if __name__ == "__main__":
    main()
