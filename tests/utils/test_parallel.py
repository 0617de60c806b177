"""Work for many cases: order, bad cases, dead workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.parallel import each_case


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


def test_dead_workers_and_impossible_numbers_of_them():
    with pytest.raises(NnunetTVError, match=r"squares: a worker process died.*use fewer than 2 \(-np\)"):
        each_case(square, [99, 1], processes=2, label="squares")
    with pytest.raises(ValueError, match="at least one process, found 0"):
        each_case(square, [1], processes=0)
    assert each_case(square, [], processes=4) == []


def wait_long(path):
    Path(path).touch()
    time.sleep(60)


def held_back():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


class Watched:
    """Arrives as whether Ctrl-C was held back, at work and when it was sent."""

    def __init__(self, _):
        self.at_work = held_back()

    def __reduce__(self):
        return tuple, ([self.at_work, held_back()],)


def test_ctrl_c_is_taken_at_work_and_not_amid_the_sending_of_a_result_which_would_keep_the_lock():
    assert each_case(Watched, [0, 1, 2], processes=2) == [(False, True)] * 3
    assert not held_back()


@pytest.mark.parametrize("at_work", [False, True])
def test_ctrl_c_ends_all_workers_at_once_and_without_their_tracebacks(tmp_path, at_work):
    script = ("from nnunet_tv.utils.parallel import each_case\nfrom test_parallel import wait_long\n"
              "if __name__ == '__main__':\n    try:\n        print('begun', flush=True)\n"
              f"        each_case(wait_long, [{str(tmp_path)!r} + f'/{{n}}' for n in range(5)], processes=2)\n"
              "    except KeyboardInterrupt:\n        print('interrupted')\n")
    (tmp_path / "run.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, tmp_path / "run.py"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, start_new_session=True, env=environment) as process:
        try:
            assert process.stdout.readline() == "begun\n"
            time.sleep(0.2)  # the workers have been started, and are importing
            while at_work and not (tmp_path / "0").exists():
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
            assert process.communicate(timeout=40)[0] == "interrupted\n"
        finally:
            process.kill()
    assert not (tmp_path / "4").exists()
