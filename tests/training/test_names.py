from typing import ClassVar

import pytest
import torch

from nnunet_tv.losses import PlusTV
from nnunet_tv.training.names import LossSpec, TrainerNotFound, spell, variants_of


class Loss:
    def __init__(self, *, tv_weight=0.1, alpha=0.3, ddp=False):
        self.values = {"tv_weight": tv_weight, "alpha": alpha, "ddp": ddp}


class PlainLoss(torch.nn.Module):
    def __init__(self, *, log=False, gamma=2.0, spacing_mm=None, ddp=False):
        super().__init__()
        self.values = {"log": log, "gamma": gamma, "spacing_mm": spacing_mm, "ddp": ddp}


class Plain:
    """Its loss has a flag and no total variation of its own."""

    loss_spec = LossSpec(PlainLoss, {"g": "gamma", "log": "log", "tv": "tv_weight"})
    loss_settings: ClassVar[dict] = {}
    epochs_in_name = None
    default_epochs = 300


class Base:
    """Doc."""

    loss_spec = LossSpec(Loss, {"a": "alpha", "tv": "tv_weight"})
    loss_settings: ClassVar[dict] = {}
    epochs_in_name = None
    default_epochs = 300


lookup = variants_of(Base)


@pytest.mark.parametrize(("name", "settings", "epochs"), [
    ("Base_5epochs", {}, 5),
    ("Base_tv0p05", {"tv": 0.05}, None),
    ("Base_tv0p05_5epochs", {"tv": 0.05}, 5),
    ("Base_a0p5_tv0p05_20epochs", {"a": 0.5, "tv": 0.05}, 20),
    ("Base_tv0", {"tv": 0.0}, None),
    ("Base_tv2", {"tv": 2.0}, None),
])
def test_settings_reach_the_class(name, settings, epochs):
    found = lookup(name)
    assert issubclass(found, Base)
    assert (found.__name__, found.loss_settings, found.epochs_in_name) == (name, settings, epochs)
    assert found is lookup(name)
    values = found.loss_spec.build(found.loss_settings, ddp=True).values
    assert values == {"tv_weight": settings.get("tv", 0.1), "alpha": settings.get("a", 0.3), "ddp": True}


@pytest.mark.parametrize(("name", "right"), [
    ("Base_5epochs_tv0p05", "Base_tv0p05_5epochs"),
    ("Base_tv0p050", "Base_tv0p05"),
    ("Base_tv00p05", "Base_tv0p05"),
    ("Base_tv0.05", "Base_tv0p05"),
    ("Base_tv005", "Base_tv0p05"),
    ("Base_tv02", "Base_tv0p2"),
    ("Base_tv0p1", "Base"),
    ("Base_300epochs", "Base"),
    ("Base_tv0p1_300epochs", "Base"),
    ("Base_05epochs", "Base_5epochs"),
    ("Base_1epoch", "Base_1epochs"),
    ("Base_tv2p0", "Base_tv2"),
    ("Base_tv0p05_a0p5", "Base_a0p5_tv0p05"),
])
def test_another_spelling_is_told_the_right_one(name, right):
    with pytest.raises(TrainerNotFound, match=rf"Could not find requested nnunet trainer {name}: .*Write {right}\."):
        lookup(name)


@pytest.mark.parametrize(("name", "settings", "log", "tv"), [
    ("Plain_log", {"log": True}, True, 0),
    ("Plain_g3_log_tv0p1_5epochs", {"g": 3.0, "log": True, "tv": 0.1}, True, 0.1),
    ("Plain_tv2", {"tv": 2.0}, False, 2.0),
])
def test_flags_and_total_variation_on_a_loss_without(name, settings, log, tv):
    found = variants_of(Plain)(name)
    assert found.loss_settings == settings
    loss = found.loss_spec.build(found.loss_settings, ddp=True, spacing_mm=(1, 2, 3), patch_size=(4, 4, 4))
    if tv:
        assert type(loss) is PlusTV and loss.tv_weight == tv
        loss = loss.loss
    assert loss.values == {"log": log, "gamma": settings.get("g", 2.0), "spacing_mm": (1, 2, 3), "ddp": True}


@pytest.mark.parametrize(("name", "right"), [("Plain_tv0", "Plain"), ("Plain_log_g3", "Plain_g3_log"),
                                             ("Plain_tv0p1_log", "Plain_log_tv0p1")])
def test_flags_have_one_spelling_too(name, right):
    with pytest.raises(TrainerNotFound, match=rf"Write {right}\."):
        variants_of(Plain)(name)


@pytest.mark.parametrize("name", ["Plain_log1", "Plain_log_log", "Plain_log0"])
def test_a_flag_takes_no_number(name):
    with pytest.raises(AttributeError):
        variants_of(Plain)(name)


def test_no_epochs_at_all_are_refused():
    with pytest.raises(TrainerNotFound, match=r"Base_0epochs: .* at least 1"):
        lookup("Base_0epochs")


@pytest.mark.parametrize("name", ["Base_", "Base_mine", "Base_tv", "Base_tvx", "Base_tv0p05_tv0p02", "Other",
                                  "__path__", "Base_5epochs_6epochs", "Base_tv-1", "BaseTV_tv0p05"])
def test_what_is_not_ours_is_left_to_nnunet(name):
    assert not hasattr_like(name)


def hasattr_like(name):
    try:
        lookup(name)
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize(("number", "text"), [(0.05, "0p05"), (0.1, "0p1"), (1.0, "1"), (10.0, "10"), (0.125, "0p125"),
                                              (0.0, "0"), (100.5, "100p5")])
def test_spelling(number, text):
    assert spell(number) == text
