"""Running a list of commands, with small scripts in their place."""

import os
import sys

import pytest
from fake_program import fake_program

from nnunet_tv.demo import runner
from nnunet_tv.demo.progress import Counted
from nnunet_tv.demo.runner import StepFailed, find_script, run_steps
from nnunet_tv.demo.walkthrough import Step
from nnunet_tv.utils.errors import NnunetTVError


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Adds commands as console scripts are found: beside the interpreter."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    return lambda name, body: fake_program(tmp_path, name, f"import os, sys, time\n{body}\n")


def run(steps, tmp_path, **variables):
    lines = []
    run_steps(steps, logs=tmp_path / "logs", variables=variables, echo=lines.append)
    return "\n".join(lines)


def test_commands_are_shown_run_and_logged(scripts, tmp_path):
    scripts("greet", "print('hello', sys.argv[1], os.environ['WHERE']); print('10%\\r20%\\rTraining cases: 3')\n"
            "print('dull')\nprint('2026-01-01 10:00:00.123: Error: none')")
    output = run([Step("Greet", ("greet", "two words"))], tmp_path, WHERE="here")
    assert "[1/1] Greet\n$ greet 'two words'" in output
    assert "| Training cases: 3" in output and "| Error: none" in output
    assert "dull" not in output and "2026" not in output
    log = (tmp_path / "logs/01-greet.log").read_bytes()
    assert log == b"hello two words here\n10%\r20%\rTraining cases: 3\ndull\n2026-01-01 10:00:00.123: Error: none\n"


def test_progress_is_shown_and_the_seconds_are_returned(scripts, tmp_path):
    scripts("trains", "print('2026-01-01 10:00:00.123: Epoch 0, learning rate 1'); time.sleep(0.3)")
    lines = []
    seconds = run_steps([Step("", ("trains",), Counted("epoch", 1, r"^Epoch (\d+),"))], logs=tmp_path / "logs",
                        variables={}, echo=lines.append)
    assert "  | epoch 1 of 1" in lines
    assert len(seconds) == 1 and 0.3 <= seconds[0] < 30


@pytest.mark.parametrize("end, status, exit_status", [("sys.exit(3)", 3, 3), ("os.kill(os.getpid(), 9)", -9, 137)])
def test_later_commands_are_not_started_after_a_failure(scripts, tmp_path, end, status, exit_status):
    scripts("fails", f"print('the reason', flush=True); {end}")
    scripts("never", "open('ran', 'w')")
    message = rf"(?s)exit status {status} from: fails --x 'a b'.*01-fails\.log.*the reason"
    with pytest.raises(StepFailed, match=message) as error:
        run([Step("", ("fails", "--x", "a b")), Step("", ("never",))], tmp_path)
    assert error.value.exit_status == exit_status  # as a shell's
    assert not list((tmp_path / "logs").glob("02-*"))


def test_missing_command_stops_before_the_first_runs(scripts, tmp_path):
    scripts("first", "pass")
    with pytest.raises(NnunetTVError, match=r"no-such-command: no such command beside .* or on the PATH"):
        run([Step("", ("first",)), Step("", ("no-such-command",))], tmp_path)
    assert not list((tmp_path / "logs").iterdir())


def test_path_is_searched_last(scripts, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "tool-of-the-path").write_text("#!/bin/sh\n")
    (elsewhere / "tool-of-the-path").chmod(0o755)
    monkeypatch.setenv("PATH", str(elsewhere))
    assert find_script("tool-of-the-path") == elsewhere / "tool-of-the-path"


def test_interrupted_demo_leaves_no_child(scripts, tmp_path, monkeypatch):
    """The terminal's Ctrl-C reaches parent and child; a child that ignores it is ended after a while."""
    scripts("sleeps", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
                      "open(sys.argv[1], 'w').write(str(os.getpid()))\nprint('Training cases', flush=True)\n"
                      "time.sleep(60)")
    monkeypatch.setattr(runner, "_PATIENCE_S", 0.2)

    def interrupt(line):
        if "| Training cases" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_steps([Step("", ("sleeps", str(tmp_path / "pid")))], logs=tmp_path / "logs", variables={}, echo=interrupt)
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
