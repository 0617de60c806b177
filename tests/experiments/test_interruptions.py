"""Experiments through Snakemake, killed at various moments; nnU-Net's commands are quick stand-ins."""

import base64
import os
import signal
from importlib.util import find_spec

import pytest
from fake_commands import FakeEnvironment, table
from process_tree import kill, processes_of, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("snakemake") is None, reason="Snakemake is not installed")]
DICE, TV = "nnUNetTrainerDice", "nnUNetTrainerDiceTV"
CONFIG = f"""\
experiment: small
groups: {{Dice: {DICE}, Dice+TV: {TV}}}
runs: 1
device: cpu
processes: 1
resources: {{hours: 0.1, memory_gb: 1, cpus: 1}}
"""


@pytest.fixture
def env(tmp_path) -> FakeEnvironment:
    result = FakeEnvironment(tmp_path / "env", [DICE, TV], 1)
    (result.folder / "small.yaml").write_text(CONFIG)
    (result.folder / "scans").mkdir()
    return result


def test_killed_failed_and_continued_it_ends_as_if_undisturbed(env):
    status, output = env.run("small.yaml", "-d", "scans", "-o", "calm", "--cpu")
    assert status == 0, output
    study, arguments = env.folder / "study", ("small.yaml", "-d", "scans", "-o", "study", "--cpu")
    before = len(env.calls())

    fault = env.fault(f"train-{TV}-0", "error")  # a run that fails costs only itself
    status, output = env.run(*arguments)
    assert status == 1 and "Dice+TV, run 0: training failed (exit status 1): RuntimeError: planned failure" in output
    text = table(study / "small" / "report")
    assert "| Dice | 1 |" in text and "| Dice+TV |" not in text
    assert "- Missing: Dice+TV, run 0: training failed (exit status 1)" in text

    fault.write_text("sleep 900")  # everything is killed in the middle of the training
    process, n = env.start(*arguments), len(env.calls("train"))
    wait_for(lambda: len(env.calls("train")) > n)
    kill(env.folder)
    process.wait()
    assert "--c" in env.calls("train")[-1]["command"]  # of the failed one, which had an epoch

    fault.unlink()  # only Snakemake and the command are killed, while a prediction is half written
    fault = env.fault(f"predict-{TV}-0", "sleep 20")
    process, n = env.start(*arguments), len(env.calls("predict"))
    wait_for(lambda: len(env.calls("predict")) > n)
    kill(env.folder, "nnunet_tv.cli.experiment")
    kill(env.folder, "-m snakemake")
    process.wait()
    fault.unlink()
    assert not (study / "small" / "predictions" / "Dice-TV" / "run_0").exists()
    status, output = env.run(*arguments)
    assert status == 0, output

    for name in ("table1.md", "table1.csv", "table1.tex"):
        calm, killed = (env.folder / each / "small" / "report" / name for each in ("calm", "study"))
        assert calm.read_bytes() == killed.read_bytes()
    trained = [call["command"] for call in env.calls("train")[2:]]
    assert sum(DICE in words for words in trained) == 1  # what was done stayed
    assert len(env.calls()) > before
    predicted = [call["command"] for call in env.calls("predict")]
    assert sum(TV in words for words in predicted) == 2  # calm's, and the one that went on: it was waited for


def test_a_mark_counts_that_was_written_before_snakemake_noted_it(env):
    arguments, folder = ("small.yaml", "-d", "scans", "-o", "study", "--cpu"), env.folder / "study" / "small"
    status, output = env.run(*arguments)
    assert status == 0, output
    n, noted = len(env.calls("train")), folder / ".snakemake" / "incomplete"
    for path in ("done/train/Dice/run_0.json", "done/train/Dice-TV/run_0.json"):  # as if it had been killed then
        (noted / base64.b64encode(path.encode()).decode()).touch()
    for step in ("predict", "filter"):
        (folder / "done" / step / "Dice" / "run_0.json").unlink()
    (folder / "done" / "report.json").unlink()
    status, output = env.run(*arguments)
    assert status == 0, output
    assert (folder / "done" / "report.json").is_file() and len(env.calls("train")) == n


def test_an_interrupt_ends_all_jobs_and_leaves_nothing_locked(env):
    env.fault(f"train-{DICE}-0", "sleep 900")
    process = env.start("small.yaml", "-d", "scans", "-o", "study", "--cpu")
    wait_for(lambda: env.calls("train"))
    second = env.run("small.yaml", "-d", "scans", "-o", "study", "--cpu")
    assert second[0] == 1 and "the experiment is being run by process" in second[1]
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=300) == 130
    assert "run the same command again" in process.stdout.read()
    assert processes_of(env.folder) == []


def test_each_training_gets_a_gpu_of_its_own(env):
    (env.folder / "small.yaml").write_text(CONFIG.replace("device: cpu", "device: cuda"))
    env.fault("train", "sleep 20")
    status, output = env.run("small.yaml", "-d", "scans", "-o", "study", CUDA_VISIBLE_DEVICES="3,5",
                             NNUNET_TV_GPU_LOCKS=str(env.folder / "locks"))
    assert status == 0, output
    first, second = env.calls("train")
    assert {first["gpu"], second["gpu"]} == {"3", "5"} and abs(first["time"] - second["time"]) < 20
