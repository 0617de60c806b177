"""Experiments on a Slurm cluster of stand-ins, which run what is submitted: resources, retries and job arrays."""

import os
import re
from importlib.util import find_spec

import pytest
from fake_commands import FakeEnvironment, table
from fake_slurm import FakeSlurm
from process_tree import kill, wait_for

from nnunet_tv.experiments.launch import workflow_file
from nnunet_tv.utils.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("snakemake_executor_plugin_slurm") is None,
                                                   reason="Snakemake's Slurm plugin is not installed")]
ARGUMENTS = ("small.yaml", "-d", "scans", "-o", "study", "--slurm", "profile")
DICE, TV = "nnUNetTrainerDice", "nnUNetTrainerDiceTV"


@pytest.fixture
def env(tmp_path) -> FakeEnvironment:
    """An experiment of two trainings, and a profile with the cluster's partition and account."""
    result = FakeEnvironment(tmp_path / "env", [DICE, TV], 1)
    result.slurm = FakeSlurm(result.folder)
    (result.folder / "small.yaml").write_text(
        f"experiment: small\ngroups: {{Dice: {DICE}, Dice+TV: {TV}}}\nruns: 1\nprocesses: 2\n"
        "resources: {hours: 5, memory_gb: 20, cpus: 6}\n")
    (result.folder / "scans").mkdir()
    text = workflow_file("profiles", "slurm", "config.yaml").read_text()
    for shipped, ours in (("#  slurm_partition: gpu ", "  slurm_partition: gpu "), ("#  slurm_account: my-account",
                          "  slurm_account: lab"), ("status-checks: 20", "status-checks: 1")):
        assert shipped in text
        text = text.replace(shipped, ours)
    (result.folder / "profile").mkdir()
    (result.folder / "profile" / "config.yaml").write_text(text)
    yield result
    result.slurm.wait()


def run(env, *arguments):
    """Exit status and output of the experiment on the cluster."""
    return env.run(*ARGUMENTS, *arguments, **on_path(env))


def on_path(env) -> dict[str, str]:
    return {"PATH": os.pathsep.join([str(env.folder / "bin"), os.environ["PATH"]])}


def value(words, *flags):
    """Value of an option of sbatch in any of its spellings; None without it."""
    text = " ".join(words[:words.index("-D") + 1] + words[words.index("-D") + 2:])
    return next((match[1] for flag in flags if (match := re.search(rf"(?:^| ){re.escape(flag)}[= ]([^ ]+)", text))),
                None)


def test_every_step_is_submitted_with_its_resources(env):
    status, output = run(env)
    assert status == 0, output
    assert "| Dice | 1 |" in table(env.folder / "study" / "small" / "report")
    submitted = env.slurm.submissions()
    assert len(submitted) == 1 + 1 + 2 + 2 + 2 + 1 and set(env.slurm.states().values()) == {"COMPLETED"}
    for words in submitted:
        assert (value(words, "-p"), value(words, "-A"), value(words, "--mem")) == ("gpu", "lab", str(20 * 1024))
        assert value(words, "-t") == ("60" if words in env.slurm.submissions("filter") else str(5 * 60))
        on_gpu = words in [*env.slurm.submissions("train"), *env.slurm.submissions("predict")]
        assert value(words, "--gpus") == ("1" if on_gpu else None)
        assert value(words, "--cpus-per-task") == ("6" if on_gpu else "2")
        assert words[words.index("-D") + 1] == str(env.folder / "study" / "small")
    assert [call["gpu"] for call in env.calls("train")] == [os.environ.get("CUDA_VISIBLE_DEVICES")] * 2  # Slurm's


def test_a_job_that_runs_out_of_time_goes_on_and_one_that_fails_is_tried_again(env):
    env.fault(f"train-{DICE}-0", "time limit once")
    env.fault(f"train-{TV}-0", "error")
    status, output = run(env)
    assert status == 1, output
    trained = [call["command"] for call in env.calls("train")]
    dice, failed = ([words for words in trained if trainer in words] for trainer in (DICE, TV))
    assert ["--c" in words for words in dice] == [False, True]
    assert len(failed) == 1 + 3 and len(env.slurm.submissions("train")) == 2 + 4  # three retries
    states = list(env.slurm.states().values())
    assert states.count("TIMEOUT") == 1 and states.count("FAILED") == 4
    text = table(env.folder / "study" / "small" / "report")
    assert "| Dice | 1 |" in text
    assert "- Missing: Dice+TV, run 0: training failed (exit status 1): RuntimeError: planned failure" in text


def test_a_job_that_always_runs_out_of_time_is_named_with_what_slurm_states(env):
    env.fault(f"train-{TV}-0", "time limit")
    status, output = run(env, "--snakemake=--retries 0")
    assert status == 1, output
    attempt = read_json(env.folder / "study" / "small" / "attempts" / "train" / "Dice-TV" / "run_0.json")
    job = attempt["slurm_job"]
    assert env.slurm.states()[job] == "TIMEOUT"
    assert (f"- Missing: Dice+TV, run 0: training was interrupted (Slurm job {job}: TIMEOUT; log: "
            in table(env.folder / "study" / "small" / "report"))


def test_jobs_go_on_when_snakemake_is_killed_and_are_not_started_twice(env):
    env.fault(f"train-{DICE}-0", "sleep 25")
    process = env.start(*ARGUMENTS, **on_path(env))
    wait_for(lambda: len(env.calls("train")) == 2)
    kill(env.folder, "nnunet_tv.cli.experiment")
    kill(env.folder, "-m snakemake", "--directory")  # not the jobs
    process.communicate()
    status, output = run(env)
    assert status == 0, output
    assert len(env.calls("train")) == 2
    text = table(env.folder / "study" / "small" / "report")
    assert "| Dice | 1 |" in text and "| Dice+TV | 1 |" in text and "Missing" not in text


def test_trainings_as_one_array(env):
    env.fault(f"train-{TV}-0", "error once")
    status, output = run(env, "--snakemake=--slurm-array-jobs=train --slurm-status-command=squeue")
    assert status == 0, output
    first, *later = env.slurm.submissions("train")
    assert value(first, "--array") == "1-2" and value(first, "--gpus") == "1"
    assert (value(first, "-t"), value(first, "--cpus-per-task")) == ("300", "6")
    assert later and {value(words, "--array") for words in later} == {None}  # again, each by itself
    for trainer in (DICE, TV):  # a task that ends long before the first one is reported as failed, but goes on
        trained = [call["command"] for call in env.calls("train") if trainer in call["command"]]
        assert ["--c" in words for words in trained] == [False] + [True] * (len(trained) - 1)
    text = table(env.folder / "study" / "small" / "report")
    assert "| Dice | 1 |" in text and "| Dice+TV | 1 |" in text and "Missing" not in text
