import math

import pytest
import torch

from nnunet_tv.training.schedule import EpochSchedule, learning_rate


def test_a_linear_warm_up_from_ten_percent_and_a_cosine_between_peak_and_floor():
    rates = [learning_rate(epoch, epochs=300) for epoch in range(300)]
    assert rates[:11] == pytest.approx([1e-5 + 9e-6 * epoch for epoch in range(11)])
    assert rates[10:] == pytest.approx([1e-6 + 99e-6 * (1 + math.cos(math.pi * epoch / 289)) / 2
                                        for epoch in range(290)])


@pytest.mark.parametrize(("epochs", "warm_up"), [(1, 0), (9, 0), (10, 1), (55, 5), (100, 10), (300, 10)])
def test_warm_up_of_short_runs(epochs, warm_up):
    rates = [learning_rate(epoch, epochs=epochs) for epoch in range(epochs)]
    assert rates.index(max(rates)) == warm_up
    assert max(rates) == pytest.approx(1e-4)
    assert all(1e-6 <= rate <= 1e-4 for rate in rates)
    if epochs > 1:
        assert rates[-1] == pytest.approx(1e-6)


def test_schedule_depends_on_the_epoch_alone():
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = EpochSchedule(optimizer, epochs=300, peak=1e-4, floor=1e-6)
    for epoch in (250, 3, 10):
        schedule.step(epoch)
        assert optimizer.param_groups[0]["lr"] == learning_rate(epoch, epochs=300)
