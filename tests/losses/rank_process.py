"""One process of distributed training, for test_ranks.py.

A module of its own: the new process imports it by name, and MONAI 1.5 installs a package ``tests`` that hides ours.
"""

import torch

from nnunet_tv.losses import DiceLoss, HausdorffDTLoss, TverskyHausdorffDTLoss, TverskyLoss


def values_and_gradients(logits, target, *, ddp):
    """Of each loss that gathers over ranks: its value and its derivative by a factor of the logits."""
    found = []
    for loss in (DiceLoss(ddp=ddp), TverskyLoss(ddp=ddp), HausdorffDTLoss(log=True, ddp=ddp),
                 TverskyHausdorffDTLoss(ddp=ddp)):
        weight = torch.ones((), dtype=torch.float64, requires_grad=True)
        value = loss(weight * logits, target)
        value.backward()
        found.append((value.detach(), weight.grad))
    return found


def run_rank(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    part = slice(2 * rank, 2 * rank + 2)
    found = values_and_gradients(*(whole[part] for whole in torch.load(f"{folder}/batch.pt")), ddp=True)
    for _, gradient in found:
        torch.distributed.all_reduce(gradient)
        gradient /= 2  # DDP averages gradients
    torch.save(found, f"{folder}/rank{rank}.pt")
    torch.distributed.destroy_process_group()
