"""Run an experiment of many trainings, as ``nnunet-tv-experiment`` does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_tv.experiments import launch
from nnunet_tv.experiments.config import (
    ExperimentConfig,
    changes,
    make_config,
    override,
    read_config,
    to_plain,
    write_config,
)
from nnunet_tv.experiments.launch import Machine, workflow_file
from nnunet_tv.experiments.study import CONFIG_FILE, Study
from nnunet_tv.scoring.runs import MissingRun
from nnunet_tv.utils.errors import NnunetTVError


@dataclass(frozen=True)
class ExperimentResult:
    """What came of an experiment."""

    report: Path  #: folder of the report
    missing: tuple[MissingRun, ...]  #: runs that are not in it, with the reasons

    @property
    def ok(self) -> bool:
        """Whether every run is in the report."""
        return not self.missing


def ready_configs() -> dict[str, Path]:
    """Configurations that the package contains, by name."""
    return {path.stem.replace("_", "-"): path for path in sorted(workflow_file("config").glob("*.yaml"))}


def set_up(configuration: str | Path, out: str | Path, **settings: Any) -> Study:
    """The experiment in the study folder `out`; nothing is written.

    Errors are those of :func:`run_experiment`.
    """
    ready, path = ready_configs(), Path(configuration)
    if str(configuration) in ready:
        path = ready[str(configuration)]
    elif not path.is_file():
        raise NnunetTVError(f"{configuration}: expected {', '.join(ready)}, or the file of a configuration")
    config = read_config(path)
    out = Path(out).absolute()
    stored = out / config.experiment / CONFIG_FILE
    before = read_config(stored) if stored.is_file() else None
    if before is not None:
        if str(configuration) in ready:
            config = before
        elif config.scans is None:
            config = override(config, scans=before.scans)
    if settings.get("scans") is not None:
        settings["scans"] = str(Path(settings["scans"]).absolute())
    config = _adjusted(config, **settings)
    if before is not None and (lines := changes(before, config)):
        raise NnunetTVError(f"{stored}: this experiment was begun with other settings: " + "; ".join(lines)
                            + ". Go on with those, or choose another folder (-o)")
    return Study(out, config)


def _adjusted(config: ExperimentConfig, *, dataset: str | None = None, **settings: Any) -> ExperimentConfig:
    """`config` with other settings, checked as a whole."""
    config = override(config, dataset=dataset, **settings)
    return make_config(to_plain(config), "settings")


def run_experiment(configuration: str | Path, out: str | Path, *, machine: Machine | None = None,
                   **settings: Any) -> ExperimentResult:
    """Convert, plan, train, predict, filter and report; what is done already stays, what failed is tried again.

    Parameters
    ----------
    configuration : str
        ``table1``, ``tv-weights``, ``cv5``, or the YAML file of a configuration.
    out : Path
        Folder of the study. The experiment's folder in it has the name that the configuration gives; experiments on
        the same scans share converted data and trained models.
    machine : Machine, optional
        GPUs or cores of this machine, or the profile of a Slurm cluster; by default all GPUs of this machine.
    **settings
        Other values of :class:`~nnunet_tv.experiments.config.ExperimentConfig`, such as ``scans``, the folder of
        the downloaded data set, or ``runs``.

    Raises
    ------
    NnunetTVError
        A configuration that is wrong or differs from the one the experiment was begun with; Snakemake is not
        installed; another process runs the experiment; no run finished; the report could not be made.
    """
    study = set_up(configuration, out, **settings)
    study.variables  # noqa: B018  an error if nnU-Net's folders are needed and not set
    if study.config.scans is not None and not Path(study.config.scans).exists():
        raise NnunetTVError(f"{study.config.scans}: no such folder of scans")
    study.folder.mkdir(parents=True, exist_ok=True)
    write_config(study.config, study.config_file)
    missing = launch.run(study, machine or Machine())
    return ExperimentResult(study.report, tuple(missing))
