"""An environment in which nnU-Net's commands are quick stand-ins, for the tests of experiments.

Everything else is real: the interpreter, Snakemake, this package and nnunet-tv-report. The stand-ins read and write
nnU-Net's folders, append what they are called with to ``calls.jsonl``, and go wrong as files in ``faults`` state.
"""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import scored_folders

from nnunet_tv.utils.files import read_json, write_json

CASES = ("sub-1", "sub-2", "sub-3")
_HEAD = '''#!/usr/bin/env python3
import argparse, json, os, pathlib, shutil, signal, sys, time, zipfile
HERE = pathlib.Path(__file__).resolve().parents[1]
NAME = pathlib.Path(__file__).name
RAW, RESULTS = (pathlib.Path(os.environ[name]) for name in ("nnUNet_raw", "nnUNet_results"))

def called():
    with (HERE / "calls.jsonl").open("a") as file:
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES")
        file.write(json.dumps({"command": [NAME, *sys.argv[1:]], "gpu": gpu, "time": time.time()}) + "\\n")

def fault(*names):
    """What is to go wrong: the content of the first of these files in faults/."""
    for name in names:
        path = HERE / "faults" / name
        if path.exists():
            return path.read_text()
    return ""

def go_wrong(what):
    if what.endswith(" once"):
        for path in (HERE / "faults").iterdir():
            if path.read_text() == what:
                path.unlink()
        what = what.removesuffix(" once")
    if what == "time limit":  # of tests/fake_slurm.py
        pathlib.Path(os.environ["FAKE_SLURM"], os.environ["SLURM_JOB_ID"] + ".over").touch()
        time.sleep(900)
    if what == "error":
        print("Traceback (most recent call last):\\nRuntimeError: planned failure")
        sys.exit(1)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what.startswith("sleep"):
        time.sleep(float(what.split()[1]))

def option(flag):
    return sys.argv[sys.argv.index(flag) + 1]

called()
'''
_CONVERT = '''
raw = RAW / option("--name")
if not (raw / "dataset.json").exists():
    shutil.copytree(HERE / "raw", raw)
go_wrong(fault("convert"))
'''
_PLAN = '''
folder = pathlib.Path(os.environ["nnUNet_preprocessed"]) / option("-d")
folder.mkdir(parents=True, exist_ok=True)
if (HERE / "raw" / "splits.json").exists():  # a cross-validation
    shutil.copyfile(HERE / "raw" / "splits.json", folder / "splits_final.json")
    shutil.copytree(HERE / "raw" / "labelsTr", folder / "gt_segmentations", dirs_exist_ok=True)
else:
    fold = {"train": ["t1", "t2"], "val": ["s1"], "selection": ["s1"]}
    (folder / "splits_final.json").write_text(json.dumps([fold] * 10))
go_wrong(fault("plan"))
'''
_TRAIN = '''
dataset, configuration, fold = sys.argv[1:4]
trainer = option("-tr")
model = RESULTS / dataset / f"{trainer}__{option('-p')}__{configuration}"
folder = model / f"fold_{fold}"
folder.mkdir(parents=True, exist_ok=True)
state = folder / "epochs.txt"
done = int(state.read_text()) if "--c" in sys.argv else 0
what = fault(f"train-{trainer}-{fold}", "train")
def save(name):
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr("data.pkl", f"{trainer} {fold}")
while done < 3:
    if done == 1:
        go_wrong(what)
    done += 1
    print("epoch", done, flush=True)
    state.write_text(str(done))
    save("checkpoint_latest.pth")
splits = pathlib.Path(os.environ["nnUNet_preprocessed"]) / dataset / "splits_final.json"
for case in json.loads(splits.read_text())[int(fold)]["val"]:
    answer = HERE / "answers" / trainer / "validation" / f"{case}.nii.gz"
    if answer.exists():
        (folder / "validation").mkdir(exist_ok=True)
        shutil.copyfile(answer, folder / "validation" / answer.name)
save("checkpoint_final.pth")
(folder / "checkpoint_latest.pth").unlink(missing_ok=True)
(model / "postprocessing.pkl").touch()
for name in ("plans.json", "dataset.json"):
    (model / name).write_text((HERE / "raw" / "dataset.json").read_text() if name.startswith("d") else "{}")
'''
_PREDICT = '''
out = pathlib.Path(option("-o"))
out.mkdir(parents=True, exist_ok=True)
for name in ("plans.json", "dataset.json"):
    (out / name).write_text((HERE / "raw" / "dataset.json").read_text() if name.startswith("d") else "{}")
trainer, fold = option("-tr"), option("-f")
what = fault(f"predict-{trainer}-{fold}", "predict")
for number, path in enumerate(sorted((HERE / "answers" / trainer / fold).glob("*.nii.gz"))):
    if "--continue_prediction" in sys.argv and (out / path.name).exists():
        continue
    if number == 1 and what:
        (out / path.name).write_bytes(path.read_bytes()[:40])
        go_wrong(what)
    shutil.copyfile(path, out / path.name)
'''
_FILTER = '''
out = pathlib.Path(option("-o"))
shutil.copytree(option("-i"), out)
go_wrong(fault("filter"))
'''
_REAL = '''#!/bin/sh
exec "{python}" -m nnunet_tv.cli.{module} "$@"
'''


def _cube(start: tuple[int, int, int]) -> np.ndarray:
    return scored_folders.cube(start, shape=(24, 24, 24), side=6)


def _save(folder: Path, case: str, data: np.ndarray) -> None:
    scored_folders.save(folder, case, data, affine=np.eye(4))


class FakeEnvironment:
    """A virtual environment of links to this one, with the stand-ins beside its interpreter."""

    def __init__(self, folder: Path, trainers, runs: int):
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "faults").mkdir()
        own = Path(sys.prefix)
        if (own / "pyvenv.cfg").exists():
            (folder / "pyvenv.cfg").write_text((own / "pyvenv.cfg").read_text())
            (folder / "lib").symlink_to(own / "lib")
        self.python = folder / "bin" / "python"
        self.python.symlink_to(sys.executable)
        for name, body in {"nnunet-tv-convert": _CONVERT, "nnunet-tv-plan": _PLAN, "nnUNetv2_train": _TRAIN,
                           "nnUNetv2_predict": _PREDICT, "nnUNetv2_apply_postprocessing": _FILTER}.items():
            self.script(name, _HEAD + body)
        self.script("nnunet-tv-report", _REAL.format(python=self.python, module="report"))
        self.trainers = tuple(trainers)
        for number, case in enumerate(CASES):
            self._case("Ts", case, (2 + 4 * number, 4, 4))
            for place, trainer in enumerate(trainers):
                for fold in range(runs):
                    self._answer(trainer, str(fold), case, (2 + 4 * number + fold, 4 + place, 4))
        write_json({"channel_names": {"0": "T1w", "1": "FLAIR"}, "labels": {"background": 0, "FCD": 1},
                    "numTraining": 1, "file_ending": ".nii.gz"}, folder / "raw" / "dataset.json")

    def cross_validation(self, folds: int, cases: int) -> list[str]:
        """Add training cases and a split into folds of them; return the cases' names."""
        names = [f"sub-{number:02d}" for number in range(folds * cases)]
        for number, case in enumerate(names):
            start = (2 + number % 12, 4, 4)
            self._case("Tr", case, start, brightness=1 + number / 10)
            for place, trainer in enumerate(self.trainers):
                self._answer(trainer, "validation", case, (start[0], start[1] + place, start[2]))
        parts = [names[fold::folds] for fold in range(folds)]
        write_json([{"train": [name for name in names if name not in part], "val": part} for part in parts],
                   self.folder / "raw" / "splits.json")
        return names

    def _case(self, kind: str, case: str, start: tuple[int, int, int], brightness: float = 1.0) -> None:
        label = _cube(start)
        _save(self.folder / "raw" / f"labels{kind}", case, label)
        for channel in ("0000", "0001"):
            _save(self.folder / "raw" / f"images{kind}", f"{case}_{channel}",
                  (1 + brightness * label).astype(np.float32))

    def _answer(self, trainer: str, part: str, case: str, start: tuple[int, int, int]) -> None:
        _save(self.folder / "answers" / trainer / part, case, _cube(start))

    def script(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def fault(self, name: str, what: str) -> Path:
        path = self.folder / "faults" / name
        path.write_text(what)
        return path

    def calls(self, command: str = "") -> list[dict]:
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [call for call in map(json.loads, lines) if command in call["command"][0]]

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen:
        """Start ``nnunet-tv-experiment`` in a session of its own."""
        paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [str(self.python), "-m", "nnunet_tv.cli.experiment", *arguments], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **variables})

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Exit status and output of ``nnunet-tv-experiment``."""
        process = self.start(*arguments, **variables)
        output = process.communicate(timeout=900)[0]
        return process.returncode, output


def table(report: Path) -> str:
    """Table 1 as it is written."""
    return (report / "table1.md").read_text()


__all__ = ["CASES", "FakeEnvironment", "read_json", "table"]
