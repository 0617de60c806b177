"""Locks: one holder at a time, dropped by the kernel when the last process that has them is gone."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from nnunet_tv.experiments.gpus import gpus_to_share, visible_gpus
from nnunet_tv.experiments.locks import GPU_LOCKS, free_gpu, is_locked, locked, try_lock

HOLD = "import sys, time; print(flush=True); time.sleep(60)"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.lock"


def test_one_holder_at_a_time(path):
    descriptor = try_lock(path, "me")
    assert descriptor is not None and path.read_text() == "me" and is_locked(path)
    assert try_lock(path, "you") is None and path.read_text() == "me"
    os.close(descriptor)
    assert not is_locked(path)
    os.close(try_lock(path, "y"))
    assert path.read_text() == "y"
    assert not is_locked(path.with_name("none.lock"))


def test_a_child_that_inherited_the_lock_holds_it_until_it_is_killed(path):
    descriptor = try_lock(path, "training")
    child = subprocess.Popen([sys.executable, "-S", "-c", HOLD], pass_fds=[descriptor], stdout=subprocess.PIPE)
    child.stdout.readline()
    os.close(descriptor)  # as if the parent had been killed
    assert is_locked(path)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not is_locked(path)


def test_waiting_names_the_holder(path):
    descriptor, notices = try_lock(path, "process 7"), []
    timer = threading.Timer(0.2, os.close, [descriptor])
    timer.start()
    with locked(path, "me", notice=notices.append):
        assert path.read_text() == "me"
    assert notices == ["process 7"]


def test_each_job_gets_a_gpu_of_its_own_and_frees_it(tmp_path, monkeypatch):
    monkeypatch.setenv(GPU_LOCKS, str(tmp_path / "gpus"))
    notices = []
    with free_gpu(["0", "1"], "a", notice=notices.append) as (first, _):
        with free_gpu(["0", "1"], "b", notice=notices.append) as (second, _):
            assert {first, second} == {"0", "1"} and not notices
        with free_gpu(["0", "1"], "c", notice=notices.append) as (third, _):
            assert third == second
    descriptors = [try_lock(tmp_path / "gpus" / f"gpu-{name}.lock", "x") for name in "01"]
    threading.Timer(0.2, os.close, descriptors[1:]).start()
    with free_gpu(["0", "1"], "d", notice=notices.append) as (device, _):
        assert device == "1" and notices == ["all of the GPUs 0, 1"]
    os.close(descriptors[0])


@pytest.mark.parametrize("value,names", [("2,3", ["2", "3"]), ("", []), ("-1", []),
                                         ("GPU-ab, GPU-cd", ["GPU-ab", "GPU-cd"])])
def test_gpus_that_the_user_left_visible(monkeypatch, value, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert visible_gpus() == names


def test_gpus_to_share(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert gpus_to_share("cpu") == [] and gpus_to_share("cuda") == ["4", "5"]
    monkeypatch.setenv("NNUNET_TV_GPUS", "5")
    assert gpus_to_share("cuda") == ["5"]
    monkeypatch.delenv("NNUNET_TV_GPUS")
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # Slurm has assigned the GPU
    assert gpus_to_share("cuda") == []
