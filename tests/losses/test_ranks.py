"""Losses of two processes of distributed training against the loss of the whole batch."""

import torch
from loss_data import as_logits, as_target, random_batch
from rank_process import run_rank, values_and_gradients


def test_ranks_together_have_the_losses_and_gradients_of_the_whole_batch(tmp_path):
    p, g = random_batch((4, 5, 4, 3))
    g[:2] = 0  # rank 0 has no lesion: losses of the ranks alone would differ from the batch's
    batch = as_logits(p), as_target(g)
    torch.save(batch, tmp_path / "batch.pt")
    torch.multiprocessing.spawn(run_rank, (str(tmp_path),), nprocs=2)
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"rank{rank}.pt"), values_and_gradients(*batch, ddp=False))
