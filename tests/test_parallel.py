"""Work for many cases: order, bad cases, dead workers."""

from __future__ import annotations

import os

import pytest

from nnunet_tv.errors import CaseError, NnunetTVError
from nnunet_tv.parallel import each_case


def square(number):
    if number == 3:
        raise CaseError("sub-3", "three is bad", "three.nii.gz")
    if number == 99:
        os._exit(1)  # as the kernel ends a process when memory is short
    return number**2


@pytest.mark.parametrize("processes", [1, 2])
def test_results_in_order_and_a_bad_case_costs_only_itself(processes):
    one, bad, four = each_case(square, [1, 3, 2], processes=processes, label="squares")
    assert (one, four) == (1, 4)
    assert isinstance(bad, CaseError) and str(bad) == "sub-3: three.nii.gz: three is bad"


def test_nothing_to_do():
    assert each_case(square, [], processes=4) == []


def test_a_dead_worker_is_named():
    with pytest.raises(NnunetTVError, match=r"squares: a worker process died.*use fewer than 2 \(-np\)"):
        each_case(square, [99, 1], processes=2, label="squares")


def test_processes_are_counted_from_one():
    with pytest.raises(ValueError, match="at least one process, found 0"):
        each_case(square, [1], processes=0)
