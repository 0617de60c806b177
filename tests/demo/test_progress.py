"""Progress of a command from its output."""

import pytest

from nnunet_tv.demo.progress import Counted, Progress

EPOCHS = Counted("epoch", 20, r"^Epoch (\d+),", detail=r"^Selection patches: .*(DC [\d.]+)")
CASES = Counted("case", 3, r"^Predicting \S+:")


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def at(progress, clock, now, line):
    clock.now = now
    return progress.read(line)


def test_epochs_with_the_latest_result_and_the_time_left(clock):
    progress = Progress(EPOCHS, clock=clock)
    assert at(progress, clock, 0, "something else") is None
    assert at(progress, clock, 100, "Epoch 0, learning rate 1e-4") == "epoch 1 of 20"
    assert at(progress, clock, 105, "Selection patches: Sens 0.2, Prec 0.1, DC 0.1333") is None
    # one epoch took 30 s: epochs 2 to 20 are left
    assert at(progress, clock, 130, "Epoch 1, learning rate 2e-4") == "epoch 2 of 20, 10 min left; DC 0.1333"
    at(progress, clock, 140, "Selection patches: Sens 0.2, Prec nan, DC 0.25")
    assert at(progress, clock, 160, "Epoch 2, learning rate 3e-4") == "epoch 3 of 20, 9 min left; DC 0.25"


def test_a_continued_training_is_measured_by_its_own_epochs(clock):
    progress = Progress(EPOCHS, clock=clock)
    assert at(progress, clock, 0, "Epoch 14, learning rate 1e-4") == "epoch 15 of 20"
    assert at(progress, clock, 12, "Epoch 15, learning rate 1e-4") == "epoch 16 of 20, 1 min left"  # 5 x 12 s
    assert at(progress, clock, 48, "Epoch 19, learning rate 1e-4") == "epoch 20 of 20, 10 s left"  # 5 in 48 s


def test_lines_are_ten_seconds_apart_but_the_last_unit_is_always_shown(clock):
    progress = Progress(CASES, clock=clock)
    assert at(progress, clock, 0, "Predicting sub-00001:") == "case 1 of 3"
    assert at(progress, clock, 4, "Predicting sub-00002:") is None
    assert at(progress, clock, 8, "Predicting sub-00003:") == "case 3 of 3, under 5 s left"
