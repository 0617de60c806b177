"""Results on the selection set, when to stop, and which epoch's weights to keep."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch.distributed as dist

#: Epochs of all-background or all-lesion output before a warning.
TRIVIAL_EPOCHS = 5


@dataclass
class EarlyStopping:
    """Stop when a moving average of the validation loss has not improved for `patience` epochs.

    Source: TV paper (arXiv 2510.06276), 4.2, and its implementation: ``average = 0.3·new + 0.7·old``,
    beginning with the first loss; at least 120 epochs. The kept weights are those of the smallest raw
    loss. A loss that is not finite improves nothing and leaves the average as it is.
    """

    patience: int = 25
    min_epochs: int = 120
    smoothing: float = 0.3
    average: float | None = None  #: Moving average of the loss now,
    best_average: float | None = None  #: and the smallest so far.
    waited: int = 0  #: Epochs since `best_average`.
    best_loss: float | None = None  #: Smallest raw loss so far.

    def update(self, loss: float) -> bool:
        """Take an epoch's validation loss; return whether its weights are the best so far."""
        if not math.isfinite(loss):
            self.waited += 1
            return False
        old = self.average
        self.average = loss if old is None else self.smoothing * loss + (1 - self.smoothing) * old
        if self.best_average is None or self.average < self.best_average:
            self.best_average, self.waited = self.average, 0
        else:
            self.waited += 1
        best = self.best_loss is None or loss < self.best_loss
        self.best_loss = loss if best else self.best_loss
        return best

    def should_stop(self, epochs_done: int) -> bool:
        """Whether to stop now; never before `min_epochs` epochs are done."""
        return epochs_done >= self.min_epochs and self.waited >= self.patience

    def state_dict(self) -> dict:
        return asdict(self)

    def load_state_dict(self, state: dict) -> None:
        for name, value in state.items():
            setattr(self, name, value)


@dataclass(frozen=True)
class PooledMeasures:
    """Loss and measures over all selection patches; NaN where a measure is undefined."""

    loss: float
    sensitivity: float
    precision: float
    dice: float
    lesion_share: float

    def __str__(self) -> str:
        return f"Sens {self.sensitivity:.4f}, Prec {self.precision:.4f}, DC {self.dice:.4f}"


def pool(outputs: Sequence[dict], *, ddp: bool = False) -> PooledMeasures:
    """Pool the results of validation steps: ``loss``, and counts of voxels (over all ranks with `ddp`)."""
    counts = np.array([sum(np.sum(output[name]) for output in outputs)
                       for name in ("tp_hard", "fp_hard", "fn_hard", "voxels")], float)
    losses = np.concatenate([np.ravel(output["loss"]) for output in outputs]).astype(float)
    if ddp:
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, (counts, losses))
        counts = sum(part[0] for part in gathered)
        losses = np.concatenate([part[1] for part in gathered])
    tp, fp, fn, voxels = counts
    return PooledMeasures(float(np.mean(losses)), _share(tp, tp + fn), _share(tp, tp + fp),
                          _share(2 * tp, 2 * tp + fp + fn), (tp + fp) / voxels)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
