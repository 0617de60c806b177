"""A Slurm cluster of stand-ins: ``sbatch`` runs the script that is submitted, at once and on this machine.

The other commands print what Slurm prints of it. As in Slurm, each task of a job array has an id of its own, in
``sacct``'s JobIDRaw, and the last task has the array's; ``squeue`` prints ARRAY_TASK.
"""

import json
import sys
import time
from pathlib import Path

COMMANDS = ("sbatch", "srun", "squeue", "sacct", "scontrol", "sacctmgr", "sinfo", "scancel")
_STAND_IN = '''#!/usr/bin/env python3
import fcntl, json, os, pathlib, re, signal, subprocess, sys, time
HERE = pathlib.Path(__file__).resolve().parents[1] / "slurm"
NAME, WORDS = pathlib.Path(__file__).name, sys.argv[1:]
STATES = HERE / "states"

def value(*flags):
    """Value of an option, given as --flag VALUE, --flag=VALUE or -fVALUE."""
    for place, word in enumerate(WORDS):
        for flag in flags:
            if word == flag:
                return WORDS[place + 1]
            if word.startswith(flag + "="):
                return word[len(flag) + 1:]

def set_state(job, state):
    part = STATES / f".{job['raw']}-{os.getpid()}"
    part.write_text(json.dumps(job | {"state": state}))
    part.rename(STATES / job["raw"])

def jobs():
    found = [json.loads(path.read_text()) for path in sorted(STATES.glob("[0-9]*"))]
    name = value("--name")
    return [job for job in found if name in (None, job["name"])]

def run(job, script):
    """Run a job to its end, as slurmstepd does: at the time limit SIGTERM, and SIGKILL after a while."""
    env = {**os.environ, "SLURM_JOB_ID": job["raw"], "SLURM_JOBID": job["raw"], "FAKE_SLURM": str(HERE)}
    if job["task"]:
        env |= {"SLURM_ARRAY_JOB_ID": job["id"].split("_")[0], "SLURM_ARRAY_TASK_ID": job["task"],
                "SLURM_ARRAY_TASK_MIN": job["first"]}
    for name, number in (("%j", job["raw"]), ("%A", job["id"].split("_")[0]), ("%a", job["task"])):
        job["log"] = job["log"].replace(name, number)
    set_state(job, "RUNNING")
    with open(job["log"], "ab") as log:
        process = subprocess.Popen(["sh", "-c", script], env=env, cwd=job["folder"], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True)
    (HERE / f"{job['raw']}.pid").write_text(str(process.pid))
    while process.poll() is None:
        if (HERE / f"{job['raw']}.over").exists():
            for number in (signal.SIGTERM, signal.SIGKILL):
                os.killpg(process.pid, number)
                time.sleep(3)
            process.wait()
            return set_state(job, "TIMEOUT")
        time.sleep(0.1)
    set_state(job, "FAILED" if process.returncode else "COMPLETED")

def sbatch():
    array = value("--array", "-a")
    first, last = map(int, array.split("-")) if array else (0, 0)
    with (HERE / "next").open("r+") as file:  # the next free job id
        fcntl.flock(file, fcntl.LOCK_EX)
        number = int(file.read())
        file.seek(0)
        file.write(str(number + last - first + 1))
    with (HERE / "submissions.jsonl").open("a") as file:
        file.write(json.dumps(WORDS) + "\\n")
    common = {"name": value("--job-name", "-J"), "folder": value("-D", "--chdir") or os.getcwd(), "first": str(first),
              "log": value("--output", "-o")}
    for place, task in enumerate(range(first, last + 1)):
        raw = number if task == last else number + place + 1
        job = {**common, "raw": str(raw), "task": str(task) if array else "",
               "id": f"{number}_{task}" if array else str(number)}
        set_state(job, "PENDING")
        if os.fork() == 0:  # slurmd
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in range(3):
                os.dup2(null, descriptor)
            run(job, value("--wrap"))
            os._exit(0)
    print(number)

if NAME == "sbatch":
    sbatch()
elif NAME == "srun":  # a step of the job: what follows the options
    start = next(place for place, word in enumerate(WORDS) if not word.startswith("-"))
    os.execvp(WORDS[start], WORDS[start:])
elif NAME == "squeue":
    for job in jobs():
        print(f"{job['id']}|{job['state']}")
elif NAME == "sacct":
    wanted, columns = value("-j"), (value("--format", "-o") or "").lower()
    if "reason" not in columns and "account" not in columns:
        for job in jobs():
            if wanted in (None, job["raw"], job["id"]):
                print(f"{job['raw']}|{job['state']}" if "jobidraw" in columns else job["state"])
elif NAME == "scancel":
    for job in jobs():
        if job["id"] in WORDS and job["state"] in ("PENDING", "RUNNING"):
            (HERE / f"{job['raw']}.over").touch()
elif NAME == "scontrol":
    print("MaxArraySize            = 1001\\nMinJobAge               = 300 sec")
elif NAME == "sacctmgr":
    print("lab")
elif NAME == "sinfo":
    print("PARTITION\\ndefault*")
'''


class FakeSlurm:
    """The stand-ins in ``bin`` beside the folder ``slurm`` with what they were called with."""

    def __init__(self, folder: Path):
        self.folder, self.bin = folder / "slurm", folder / "bin"
        (self.folder / "states").mkdir(parents=True)
        (self.folder / "next").write_text("101")
        self.bin.mkdir(exist_ok=True)
        for name in COMMANDS:
            path = self.bin / name
            path.write_text(_STAND_IN.replace("/usr/bin/env python3", f"{sys.executable} -S", 1))
            path.chmod(0o755)

    def submissions(self, rule: str = "") -> list[list[str]]:
        """Arguments of each ``sbatch``, of one rule or of all."""
        path = self.folder / "submissions.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [words for words in map(json.loads, lines) if f"rule_{rule}" in words[words.index("--comment") + 1]]

    def states(self) -> dict[str, str]:
        """State of each job by its id, ARRAY_TASK for tasks of an array."""
        found = [json.loads(path.read_text()) for path in (self.folder / "states").glob("[0-9]*")]
        return {job["id"]: job["state"] for job in found}

    def wait(self, seconds: float = 120.0) -> None:
        """Wait until no job runs."""
        end = time.monotonic() + seconds
        while {"PENDING", "RUNNING"} & set(self.states().values()):
            assert time.monotonic() < end, self.states()
            time.sleep(0.1)
