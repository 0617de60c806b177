from types import ModuleType

import pytest

from nnunet_tv.losses import ForegroundLoss, PlusTV
from nnunet_tv.training.names import LEARNING_RATE, TrainerNotFound, build_loss, loss_settings, spell, variants_in


class WithTV(ForegroundLoss):
    """A weight and total variation of its own."""

    name_codes = {"a": "alpha", "tv": "tv_weight"}

    def __init__(self, *, tv_weight=0.1, alpha=0.3, ddp=False):
        super().__init__()
        self.values = {"tv_weight": tv_weight, "alpha": alpha, "ddp": ddp}


class WithoutTV(ForegroundLoss):
    """A flag, a voxel size, and no total variation of its own."""

    name_codes = {"g": "gamma", "log": "log", "tv": "tv_weight"}

    def __init__(self, *, log=False, gamma=2.0, spacing_mm=None, ddp=False):
        super().__init__()
        self.values = {"log": log, "gamma": gamma, "spacing_mm": spacing_mm, "ddp": ddp}


class Base:
    loss_class = WithTV
    default_epochs = 300
    default_learning_rate = 1e-4


class Plain:
    loss_class = WithoutTV
    default_epochs = 300
    default_learning_rate = 1e-2


@pytest.fixture
def module():
    """A module with two trainers, as nnU-Net sees it."""
    made = ModuleType("trainers_of_a_test")
    made.Base, made.Plain, made.Other = Base, Plain, object
    made.__getattr__ = variants_in(vars(made))
    return made


@pytest.mark.parametrize(("name", "settings", "epochs"), [
    ("Base_5epochs", {}, 5), ("Base_tv0p05", {"tv": 0.05}, None), ("Base_tv0p05_5epochs", {"tv": 0.05}, 5),
    ("Base_a0p5_tv0p05_20epochs", {"a": 0.5, "tv": 0.05}, 20), ("Base_tv0", {"tv": 0.0}, None),
    ("Base_tv2", {"tv": 2.0}, None),
])
def test_settings_reach_the_class(module, name, settings, epochs):
    found = getattr(module, name)
    assert issubclass(found, Base)
    assert (found.__name__, found.loss_settings, found.epochs_in_name) == (name, settings, epochs)
    assert found is getattr(module, name)
    values = build_loss(found.loss_class, found.loss_settings, ddp=True).values
    assert values == {"tv_weight": settings.get("tv", 0.1), "alpha": settings.get("a", 0.3), "ddp": True}


@pytest.mark.parametrize(("name", "right"), [
    ("Base_5epochs_tv0p05", "Base_tv0p05_5epochs"), ("Base_tv0p050", "Base_tv0p05"), ("Base_tv00p05", "Base_tv0p05"),
    ("Base_tv0.05", "Base_tv0p05"), ("Base_tv005", "Base_tv0p05"), ("Base_tv02", "Base_tv0p2"), ("Base_tv0p1", "Base"),
    ("Base_300epochs", "Base"), ("Base_tv0p1_300epochs", "Base"), ("Base_05epochs", "Base_5epochs"),
    ("Base_1epoch", "Base_1epochs"), ("Base_tv2p0", "Base_tv2"), ("Base_tv0p05_a0p5", "Base_a0p5_tv0p05"),
    ("Plain_tv0", "Plain"), ("Plain_log_g3", "Plain_g3_log"), ("Plain_tv0p1_log", "Plain_log_tv0p1"),
])
def test_another_spelling_is_refused_with_the_right_one(module, name, right):
    with pytest.raises(TrainerNotFound, match=rf"Could not find requested nnunet trainer {name}: .*Write {right}\."):
        getattr(module, name)


@pytest.mark.parametrize(("name", "settings", "log", "tv"), [
    ("Plain_log", {"log": True}, True, 0),
    ("Plain_g3_log_tv0p1_5epochs", {"g": 3.0, "log": True, "tv": 0.1}, True, 0.1),
    ("Plain_tv2", {"tv": 2.0}, False, 2.0),
])
def test_flags_and_total_variation_on_a_loss_without(module, name, settings, log, tv):
    found = getattr(module, name)
    assert found.loss_settings == settings
    loss = build_loss(found.loss_class, found.loss_settings, ddp=True, spacing_mm=(1, 2, 3), patch_size=(4, 4, 4))
    if tv:
        assert type(loss) is PlusTV and loss.tv_weight == tv
        loss = loss.loss
    assert loss.values == {"log": log, "gamma": settings.get("g", 2.0), "spacing_mm": (1, 2, 3), "ddp": True}


@pytest.mark.parametrize(("name", "settings", "rate", "epochs"), [
    ("Base_lr0p001", {}, 1e-3, None), ("Base_lr0p00003_5epochs", {}, 3e-5, 5), ("Base_lr0p01", {}, 1e-2, None),
    ("Plain_log_tv0p1_lr0p0001_20epochs", {"log": True, "tv": 0.1}, 1e-4, 20), ("Plain_5epochs", {}, None, 5),
])
def test_learning_rate_reaches_the_class(module, name, settings, rate, epochs):
    found = getattr(module, name)
    assert (found.loss_settings, found.learning_rate_in_name, found.epochs_in_name) == (settings, rate, epochs)


@pytest.mark.parametrize(("name", "right"), [
    ("Base_5epochs_lr0p001", "Base_lr0p001_5epochs"), ("Base_lr0p001_tv0p05", "Base_tv0p05_lr0p001"),
    ("Base_lr0p0010", "Base_lr0p001"), ("Base_lr0p0001", "Base"), ("Plain_lr0p01_5epochs", "Plain_5epochs"),
    ("Base_lr0001", "Base_lr0p001"),
])
def test_another_spelling_of_the_learning_rate_is_refused(module, name, right):
    with pytest.raises(TrainerNotFound, match=rf"Could not find requested nnunet trainer {name}: .*Write {right}\."):
        getattr(module, name)


@pytest.mark.parametrize("name", ["Base_0epochs", "Base_lr0", "Base_lr0p0", "Base_lr0_5epochs"])
def test_zero_is_refused(module, name):
    with pytest.raises(TrainerNotFound, match=rf"{name}: .* above 0"):
        hasattr(module, name)


def test_no_loss_has_a_setting_of_that_code():
    import nnunet_tv.losses as losses

    codes = {code for name in losses.__all__ if isinstance(kind := getattr(losses, name), type)
             and issubclass(kind, ForegroundLoss) for code in kind.name_codes}
    assert codes and LEARNING_RATE not in codes


@pytest.mark.parametrize("name", ["Base_", "Base_mine", "Base_tv", "Base_tvx", "Base_tv0p05_tv0p02", "Other_5epochs",
                                  "__path__", "Base_5epochs_6epochs", "Base_tv-1", "BaseTV_tv0p05", "Missing",
                                  "Base_lr", "Base_lrx", "Base_lr0p1_lr0p2",
                                  "Plain_log1", "Plain_log_log", "Plain_log0"])  # a flag takes no number
def test_other_names_are_left_to_nnunet(module, name):
    assert not hasattr(module, name)


@pytest.mark.parametrize(("number", "text"), [(0.05, "0p05"), (0.1, "0p1"), (1.0, "1"), (10.0, "10"), (0.125, "0p125"),
                                              (0.0, "0"), (100.5, "100p5")])
def test_spelling(number, text):
    assert spell(number) == text


@pytest.mark.parametrize(("loss", "settings", "expected"), [
    (WithTV, {}, {"tv_weight": 0.1, "alpha": 0.3}), (WithTV, {"a": 0.5}, {"tv_weight": 0.1, "alpha": 0.5}),
    (WithoutTV, {}, {"log": False, "gamma": 2.0, "tv_weight": 0.0}),
    (WithoutTV, {"log": True, "tv": 0.2}, {"log": True, "gamma": 2.0, "tv_weight": 0.2})])
def test_every_setting_of_a_loss_is_named_with_its_default(loss, settings, expected):
    assert loss_settings(loss, settings) == expected
