"""An experiment in its folders: the runs, and where each step's results, marks and logs are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from nnunet_tv.experiments import config as configuration
from nnunet_tv.experiments.commands import Model
from nnunet_tv.experiments.config import TEST, ExperimentConfig, slug
from nnunet_tv.utils import nnunet_paths
from nnunet_tv.utils.errors import NnunetTVError

#: Steps of the whole data set, and those of each run.
PREPARATION, TRAINING, TESTING, REPORT = ("convert", "plan"), "train", ("predict", "filter"), "report"
CONFIG_FILE = "experiment.yaml"


@dataclass(frozen=True)
class TrainingRun:
    """Run k of a group: fold k of its model."""

    group: str
    number: int
    model: Model

    @property
    def name(self) -> str:
        """Name for people."""
        return f"{self.group}, run {self.number}"

    @property
    def path(self) -> Path:
        """Place of its files in the folder of each step."""
        return Path(slug(self.group), f"run_{self.number}")


@dataclass(frozen=True)
class Study:
    """An experiment in the folder `root`, which several experiments on the same scans may share."""

    root: Path
    config: ExperimentConfig

    @property
    def folder(self) -> Path:
        """Folder of this experiment."""
        return self.root / self.config.experiment

    @property
    def config_file(self) -> Path:
        """Its configuration with all settings."""
        return self.folder / CONFIG_FILE

    @cached_property
    def variables(self) -> dict[str, str]:
        """nnU-Net's folders: in the study; data that are converted already stay where nnU-Net's variables point."""
        own = {name: str(self.root / name) for name in nnunet_paths.FOLDERS}
        if self.config.scans is None:
            own |= {name: str(nnunet_paths.folder(name)) for name in ("nnUNet_raw", "nnUNet_preprocessed")}
        return own

    @property
    def raw(self) -> Path:
        """The raw data set."""
        return Path(self.variables["nnUNet_raw"], self.config.dataset)

    @property
    def preprocessed(self) -> Path:
        """The preprocessed data set."""
        return Path(self.variables["nnUNet_preprocessed"], self.config.dataset)

    @property
    def results(self) -> Path:
        """nnU-Net's folder of trained models."""
        return Path(self.variables["nnUNet_results"])

    @cached_property
    def runs(self) -> list[TrainingRun]:
        """All runs; the first of every group come first, so that an interrupted experiment has some of each."""
        config = self.config
        return [TrainingRun(group, number, Model(config.dataset, trainer, config.plans, config.configuration))
                for number in range(config.runs) for group, trainer in config.trainers.items()]

    def run(self, group_folder: str, number: int) -> TrainingRun:
        """The run with these names in paths."""
        for run in self.runs:
            if (slug(run.group), run.number) == (group_folder, number):
                return run
        raise NnunetTVError(f"{self.config_file}: no run {number} of a group {group_folder}")

    def steps(self) -> tuple[str, ...]:
        """Steps of each run, in order."""
        return (TRAINING, *TESTING) if self.config.score == TEST else (TRAINING,)

    def mark(self, step: str, run: TrainingRun | None = None) -> Path:
        """File that exists once a step is complete."""
        return self.folder / "done" / _place(step, run, ".json")

    def attempt(self, step: str, run: TrainingRun | None = None) -> Path:
        """Record of the last attempt at a step, unless it was completed."""
        return self.folder / "attempts" / _place(step, run, ".json")

    def log(self, step: str, run: TrainingRun | None = None) -> Path:
        """Output of a step's attempts."""
        return self.folder / "logs" / _place(step, run, ".log")

    def fold(self, run: TrainingRun) -> Path:
        """nnU-Net's folder of a run."""
        return run.model.folder(self.results) / f"fold_{run.number}"

    def predictions(self, run: TrainingRun, *, filtered: bool = False) -> Path:
        """Segmentations of the test cases; the folder exists once they are complete."""
        return self.folder / ("filtered" if filtered else "predictions") / run.path

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.folder / "report"

    def finished(self, run: TrainingRun) -> bool:
        """Whether every step of a run is complete."""
        return all(self.mark(step, run).is_file() for step in self.steps())

    def environment(self) -> dict[str, str]:
        """Variables for the commands; those that the user has set stay, except nnU-Net's folders."""
        workers = self.config.resources.cpus if self.config.device == "cuda" else min(2, self.config.processes)
        more = {"nnUNet_n_proc_DA": str(workers), **({} if find_spec("triton") else {"nnUNet_compile": "f"})}
        return {**self.variables, "PYTHONUNBUFFERED": "1",
                **{name: value for name, value in more.items() if name not in os.environ}}


def _place(step: str, run: TrainingRun | None, ending: str) -> Path:
    return Path(f"{step}{ending}") if run is None else Path(step, run.path.parent, f"{run.path.name}{ending}")


def open_study(folder: str | Path) -> Study:
    """The experiment in `folder`, which is in its study's."""
    folder = Path(folder).absolute()
    return Study(folder.parent, configuration.read_config(folder / CONFIG_FILE))
