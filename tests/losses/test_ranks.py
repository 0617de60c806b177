"""Losses of two processes of distributed training against the loss of the whole batch."""

import torch
from loss_data import as_logits, as_target, random_batch

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


def _rank(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    part = slice(2 * rank, 2 * rank + 2)
    found = values_and_gradients(*(whole[part] for whole in torch.load(f"{folder}/batch.pt")), ddp=True)
    for _, gradient in found:
        torch.distributed.all_reduce(gradient)
        gradient /= 2  # DDP averages gradients
    torch.save(found, f"{folder}/rank{rank}.pt")
    torch.distributed.destroy_process_group()


def test_ranks_together_have_the_losses_and_gradients_of_the_whole_batch(tmp_path):
    p, g = random_batch((4, 5, 4, 3))
    g[:2] = 0  # rank 0 has no lesion: losses of the ranks alone would differ from the batch's
    batch = as_logits(p), as_target(g)
    torch.save(batch, tmp_path / "batch.pt")
    torch.multiprocessing.spawn(_rank, (str(tmp_path),), nprocs=2)
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"rank{rank}.pt"), values_and_gradients(*batch, ddp=False))
