"""Contestants of the benchmarks alternate in processes of their own."""

import operator
import os
import sys
from functools import partial

import pytest
from processes import alternate_processes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_results_and_peaks_are_each_contestants_own():
    makers = {"small": partial(partial, len, b"1234"), "large": partial(partial, operator.mul, b"1", 2**27)}
    turns = alternate_processes(makers, repeats=2, calls=2)
    assert list(turns) == ["small", "large"]
    assert turns["small"].result == 4 and len(turns["large"].result) == 2**27
    assert [len(turn.seconds) for turn in turns.values()] == [2, 2]
    assert turns["large"].peak_gib > turns["small"].peak_gib + 0.1


def test_a_failure_is_reported_and_the_others_go_on(capsys):
    makers = {"fails": partial(partial, int, "seven"), "is killed": partial(partial, os._exit, 9),
              "cannot be made": partial(int, "eight"), "good": partial(partial, int, "9")}
    turns = alternate_processes(makers, repeats=1)
    assert list(turns) == ["good"] and turns["good"].result == 9
    output = capsys.readouterr().out
    assert "left out: fails (ValueError: invalid literal for int() with base 10: 'seven')" in output
    assert "left out: is killed (its process ended)" in output
    assert "left out: cannot be made (ValueError" in output
