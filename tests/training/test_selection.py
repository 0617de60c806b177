import math

import pytest

from nnunet_tv.training.selection import EarlyStopping


def test_average_begins_with_the_first_loss():
    stopping = EarlyStopping()
    for loss, expected in ((1.0, 1.0), (0.5, 0.3 * 0.5 + 0.7 * 1.0), (0.0, 0.7 * 0.85)):
        stopping.update(loss)
        assert stopping.average == pytest.approx(expected)


def test_best_weights_follow_the_raw_loss():
    stopping = EarlyStopping()
    assert [stopping.update(loss) for loss in (1.0, 0.4, 0.6, 0.39, 0.39)] == [True, True, False, True, False]
    assert stopping.best_loss == 0.39


def epochs_until_stop(losses):
    stopping = EarlyStopping()
    for epoch, loss in enumerate(losses):
        stopping.update(loss)
        if stopping.should_stop(epoch + 1):
            return epoch + 1
    return None


@pytest.mark.parametrize(("losses", "epoch"), [
    # the average of a falling line falls; it rises at epoch 130, so that 129 was the best
    ([1 - 0.005 * epoch for epoch in range(130)] + [1.0] * 100, 130 + 25),
    ([0.5, *[1.0] * 299], 120),  # never before 120 epochs, but the counter runs from epoch 0
    ([1 / (1 + epoch) for epoch in range(300)], None),  # steadily better
], ids=["patience", "minimum", "never"])
def test_when_training_stops(losses, epoch):
    assert epochs_until_stop(losses) == epoch


def test_non_finite_losses_improve_nothing():
    stopping = EarlyStopping(patience=3, min_epochs=0)
    stopping.update(0.5)
    for loss in (math.nan, math.inf, math.nan):
        assert stopping.update(loss) is False
    assert stopping.average == 0.5
    assert stopping.should_stop(4)


def test_state_survives():
    first, second = EarlyStopping(), EarlyStopping()
    for loss in (0.9, 0.8, 0.85):
        first.update(loss)
    second.load_state_dict(first.state_dict())
    assert second == first
    assert second.update(0.7) is first.update(0.7) is True
    assert second == first
