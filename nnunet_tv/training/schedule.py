"""Learning rate as a pure function of the epoch: nnU-Net calls ``step(epoch)`` and stores nothing."""

import math

from torch.optim import Optimizer

WARMUP_EPOCHS = 10
WARMUP_START = 0.1


def learning_rate(epoch: int, *, epochs: int, peak: float = 1e-4, floor: float = 1e-6) -> float:
    """Learning rate of an epoch (from 0): linear warm-up from 10 % of the peak, then cosine down to the floor.

    Source: TV paper (arXiv 2510.06276), 4.2. Ours: the warm-up is ``min(10, epochs // 10)`` epochs, the
    floor is reached in the last epoch.

    >>> [learning_rate(epoch, epochs=300) for epoch in (0, 10, 299)]
    [1e-05, 0.0001, 1e-06]
    """
    warmup = min(WARMUP_EPOCHS, epochs // 10)
    if epoch < warmup:
        return peak * (WARMUP_START + (1 - WARMUP_START) * epoch / warmup)
    done = (epoch - warmup) / max(1, epochs - 1 - warmup)
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class EpochSchedule:
    """Set an optimiser's learning rate from the epoch; holds no state."""

    def __init__(self, optimizer: Optimizer, *, epochs: int, peak: float, floor: float):
        self.optimizer, self.epochs, self.peak, self.floor = optimizer, epochs, peak, floor

    def step(self, epoch: int) -> None:
        """Set the learning rate of `epoch` in every parameter group."""
        rate = learning_rate(epoch, epochs=self.epochs, peak=self.peak, floor=self.floor)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
