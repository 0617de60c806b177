"""Names of trainers with settings, written without importing the trainers."""

from nnunet_tv.utils.numbers import spell

#: Epochs of the recipe, and of nnU-Net's trainers; the trainers' ``default_epochs``.
RECIPE_EPOCHS, NNUNET_EPOCHS = 300, 1000
_TV, _PAPERS_WEIGHT = "nnUNetTrainerDiceTV", 0.1


def with_tv_weight(weight: float) -> str:
    """Recipe trainer of Dice + `weight` times total variation; Dice alone for 0.

    >>> with_tv_weight(0.0), with_tv_weight(0.05), with_tv_weight(0.1)
    ('nnUNetTrainerDice', 'nnUNetTrainerDiceTV_tv0p05', 'nnUNetTrainerDiceTV')
    """
    if weight == 0:
        return "nnUNetTrainerDice"
    return _TV if weight == _PAPERS_WEIGHT else f"{_TV}_tv{spell(weight)}"


def with_epochs(trainer: str, epochs: int | None) -> str:
    """`trainer` with a number of epochs in its name, unless that is its default or None.

    >>> with_epochs("nnUNetTrainerDice", 5), with_epochs("nnUNetTrainerDice", 300)
    ('nnUNetTrainerDice_5epochs', 'nnUNetTrainerDice')
    """
    return trainer if epochs in (None, default_epochs(trainer)) else f"{trainer}_{epochs}epochs"


def default_epochs(trainer: str) -> int:
    """Epochs of a trainer of ours without a number in its name."""
    return NNUNET_EPOCHS if trainer.partition("_")[0].endswith("Loss") else RECIPE_EPOCHS


def epochs_of(trainer: str) -> int:
    """Epochs of a trainer, at most.

    >>> epochs_of("nnUNetTrainerDiceTV_tv0p05_5epochs"), epochs_of("nnUNetTrainerDiceTV")
    (5, 300)
    """
    last = trainer.rpartition("_")[2].removesuffix("s").removesuffix("epoch")
    return int(last) if last.isdecimal() else default_epochs(trainer)
