"""Configuration of an experiment: a YAML file that a person writes, checked key by key."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from nnunet_tv.architectures.registry import NETWORKS
from nnunet_tv.experiments.trainer_names import with_epochs, with_tv_weight
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import write_text
from nnunet_tv.utils.nnunet_paths import check_dataset_name

TEST, VALIDATION = "test", "validation"
#: Folder with the configurations that the package contains.
SHIPPED = "config"
#: Keys that may change while an experiment is under way; of the others, trainings or predictions are made.
CHANGEABLE = ("groups", "tv_weights", "runs", "device", "processes", "retries", "resources", "strata", "primary",
              "paper", "remark")


@dataclass(frozen=True)
class Resources:
    """What one training may take, for a cluster's scheduler and for the estimate."""

    hours: float = 24.0  #: time limit of one attempt; a training goes on in the next one
    memory_gb: float = 48.0
    cpus: int = 8


@dataclass(frozen=True)
class ExperimentConfig:
    """All settings of an experiment; the keys of the YAML file."""

    experiment: str  #: its name, and its folder in the study
    dataset: str = "DatasetFCD"  #: name in nnU-Net
    scans: str | None = None  #: folder of the scans; None if the data set is converted already
    layout: str = "ds004199"  #: as ``nnunet-tv-convert`` names it
    split: str | None = None
    repeats: int | None = None
    space: str | None = None
    controls: str = "none"
    convert_options: tuple[str, ...] = ()
    network: str | None = "ms-dsa-net"
    patch_size: tuple[int, int, int] | None = None
    configuration: str = "3d_fullres"
    groups: Mapping[str, str] = field(default_factory=dict)  #: trainer by name of the row
    tv_weights: tuple[float, ...] = ()  #: instead of groups: one each
    runs: int = 10
    epochs: int | None = None
    score: str = TEST  #: which predictions: of the test cases, or of each fold's validation cases
    device: str = "cuda"
    mirroring: bool = True
    processes: int = 4
    retries: int | None = None  #: of a failed job
    resources: Resources = field(default_factory=Resources)
    strata: tuple[str, ...] = ()
    primary: str | None = None
    paper: bool = False
    remark: str = ""

    @property
    def plans(self) -> str:
        """Name of nnU-Net's plans."""
        return "nnUNetPlans" if self.network is None else NETWORKS[self.network].plans_name

    @property
    def trainers(self) -> dict[str, str]:
        """Trainer of each group, with the epochs in its name."""
        given = ({f"TV {weight:g}": with_tv_weight(weight) for weight in self.tv_weights} if self.tv_weights else
                 dict(self.groups))
        return {name: with_epochs(trainer, self.epochs) for name, trainer in given.items()}


def _text(value: Any) -> Any:
    return value if isinstance(value, str) and value.strip() else None


def _name(value: Any) -> Any:
    return value if isinstance(value, str) and value.replace("-", "").replace("_", "").isalnum() else None


def _dataset(value: Any) -> Any:
    try:
        return check_dataset_name(value)
    except (NnunetTVError, TypeError):
        return None


def _whole(value: Any, least: int = 1) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None


def _patch(value: Any) -> Any:
    good = isinstance(value, (list, tuple)) and len(value) == 3 and all(_whole(side) for side in value)
    return tuple(value) if good else None


def _texts(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value) else None


def _groups(value: Any) -> Any:
    good = isinstance(value, Mapping) and value and all(
        isinstance(name, str) and name.strip() == name and name and not set(name) & set("=/:") and _name(trainer)
        and slug(name) for name, trainer in value.items())
    return dict(value) if good and len({slug(name) for name in value}) == len(value) else None


def _weights(value: Any) -> Any:
    good = isinstance(value, (list, tuple)) and all(
        isinstance(each, (int, float)) and not isinstance(each, bool) and 0 <= each < 100 for each in value)
    return tuple(float(each) for each in value) if good and len(set(value)) == len(value) >= 1 else None


def _boolean(value: Any) -> Any:
    return (value,) if isinstance(value, bool) else None


def _positive(value: Any) -> Any:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else None


def _one_of(*names: str) -> Callable[[Any], Any]:
    return lambda value: value if value in names else None


#: What each key takes: the check, which gives None for a wrong value, and how a person is asked for a right one.
_KEYS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "experiment": (_name, "a name of letters, digits, '-' and '_', such as table1"),
    "dataset": (_dataset, "a name such as DatasetFCD"),
    "scans": (_text, "the folder of the downloaded scans"),
    "layout": (_text, "a data set of nnunet-tv-convert, such as ds004199"),
    "split": (_one_of("paper", "official", "cv5"), "paper, official or cv5"),
    "repeats": (_whole, "a whole number from 1"),
    "space": (_text, "mni, t1 or none"),
    "controls": (_one_of("none", "test", "train"), "none, test or train"),
    "convert_options": (_texts, "a list of further options of nnunet-tv-convert"),
    "network": (_one_of(*NETWORKS), f"one of {', '.join(NETWORKS)}"),
    "patch_size": (_patch, "three whole numbers, such as [128, 128, 128]"),
    "configuration": (_name, "a configuration of nnU-Net, such as 3d_fullres"),
    "groups": (_groups, "one line for each row of the table, NAME: TRAINER, such as Dice+TV: nnUNetTrainerDiceTV "
                        "(names differ in letters or digits and have no '=', '/' or ':')"),
    "tv_weights": (_weights, "a list of different numbers from 0, such as [0, 0.05, 0.1]"),
    "runs": (_whole, "a whole number from 1"),
    "epochs": (_whole, "a whole number from 1"),
    "score": (_one_of(TEST, VALIDATION), f"{TEST} or {VALIDATION}"),
    "device": (_one_of("cuda", "cpu"), "cuda or cpu"),
    "mirroring": (_boolean, "true or false"),
    "processes": (_whole, "a whole number from 1"),
    "retries": (lambda value: None if _whole(value, 0) is None else (value,), "a whole number from 0"),
    "strata": (_texts, "a list such as [size, contrast]"),
    "primary": (_one_of("DC", "sSens", "nFPC"), "DC, sSens or nFPC"),
    "paper": (_boolean, "true or false"),
    "remark": (lambda value: (value,) if isinstance(value, str) else None, "a text"),
}
_RESOURCES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "hours": (_positive, "hours, a number above 0"), "memory_gb": (_positive, "gigabytes, a number above 0"),
    "cpus": (_whole, "a whole number from 1")}
#: Keys that may be empty (null).
_OPTIONAL = {"scans", "split", "retries", "repeats", "space", "network", "patch_size", "epochs", "primary"}
_WRAPPED = ("mirroring", "paper", "retries", "remark")  # whose right values may be false, 0 or empty


def slug(group: str) -> str:
    """Name of a group's folders.

    >>> slug("Dice+TV"), slug("TV 0.05")
    ('Dice-TV', 'TV-0.05')
    """
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in group).strip("-.")


def make_config(content: Any, source: str) -> ExperimentConfig:
    """Configuration from the content of `source`; an error lists every key that is wrong: expected and found."""
    if not isinstance(content, Mapping):
        raise NnunetTVError(f"{source}: expected lines of 'key: value', found {type(content).__name__}")
    problems: list[str] = []
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key == "resources":
            values[key] = _make_resources(value, problems)
        elif key not in _KEYS:
            near = difflib.get_close_matches(str(key), [*_KEYS, "resources"], 1)
            problems.append(f"{key}: no such key" + (f"; {near[0]} was meant?" if near else ""))
        elif value is not None or key not in _OPTIONAL:
            values[key] = _checked(key, value, *_KEYS[key], problems)
    if "experiment" not in content:
        problems.append("experiment: expected a name, found nothing")
    if ("groups" in content) == bool(content.get("tv_weights")):
        problems.append("groups, tv_weights: expected one of the two, found "
                        + ("both" if "groups" in content else "neither"))
    if not problems:
        config = ExperimentConfig(**values)
        problems += _disagreements(config)
    if problems:
        raise NnunetTVError(f"{source}: " + f"\n{source}: ".join(problems))
    return config


def _checked(key: str, value: Any, check: Callable[[Any], Any], expected: str, problems: list[str]) -> Any:
    right = check(value)
    if right is None:
        problems.append(f"{key}: expected {expected}, found {value!r}")
    return right[0] if right is not None and key in _WRAPPED else right


def _make_resources(value: Any, problems: list[str]) -> Resources:
    if not isinstance(value, Mapping) or set(value) - set(_RESOURCES):
        problems.append(f"resources: expected {', '.join(_RESOURCES)}, found {value!r}")
        return Resources()
    return Resources(**{key: _checked(f"resources: {key}", each, *_RESOURCES[key], problems)
                        for key, each in value.items()})


def _disagreements(config: ExperimentConfig) -> list[str]:
    """Keys that do not go together."""
    found = []
    if config.split == "cv5":
        if config.repeats is not None:
            found.append(f"repeats: not for split: cv5, which has five folds; found {config.repeats}")
        if config.score != VALIDATION:
            found.append("score: expected validation with split: cv5, whose test cases are those of each fold, found "
                         f"{config.score}")
        if config.runs != 5:
            found.append(f"runs: expected 5 with split: cv5, a run for each fold, found {config.runs}")
    if config.epochs is not None and (named := [name for name in config.groups.values() if name.endswith("epochs")]):
        found.append(f"epochs: expected nothing beside a trainer that names its epochs ({named[0]}), found "
                     f"{config.epochs}")
    if config.split != "cv5" and config.scans is not None and config.runs > (config.repeats or 10):
        found.append(f"runs: expected at most repeats ({config.repeats or 10}), found {config.runs}")
    return found


def read_config(path: Path) -> ExperimentConfig:
    """Configuration in a YAML file."""
    return make_config(read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """Content of a YAML file; an NnunetTVError with the place for one that cannot be read."""
    yaml = _yaml()
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise NnunetTVError(f"{path}: expected a configuration in YAML, found a file that cannot be read: "
                            f"{' '.join(str(error).split())}") from error


def to_plain(config: ExperimentConfig) -> dict[str, Any]:
    """All settings as a YAML file has them; :func:`make_config` gives the configuration back."""
    plain = {key: (list(value) if isinstance(value, tuple) else value) for key, value in asdict(config).items()}
    plain.pop("groups" if config.tv_weights else "tv_weights")
    return plain


def write_config(config: ExperimentConfig, path: Path) -> None:
    """Write all settings, in the order of the fields."""
    write_text("# Written by nnunet-tv-experiment; to change a setting, run the command with another configuration.\n"
               + _yaml().safe_dump(to_plain(config), sort_keys=False, allow_unicode=True), path)


def changes(before: ExperimentConfig, now: ExperimentConfig) -> list[str]:
    """Settings that must not change while an experiment is under way and differ: key, before, now."""
    lines = [f"{each.name}: {getattr(before, each.name)!r} before, {getattr(now, each.name)!r} now"
             for each in fields(ExperimentConfig)
             if each.name not in CHANGEABLE and getattr(before, each.name) != getattr(now, each.name)]
    old, new = before.trainers, now.trainers
    return [*lines, *(f"groups: {name}: {old[name]} before, {new[name]} now"
                      for name in old.keys() & new.keys() if old[name] != new[name])]


def override(config: ExperimentConfig, **given: Any) -> ExperimentConfig:
    """`config` with other values, where they are not None."""
    return replace(config, **{key: value for key, value in given.items() if value is not None})


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise NnunetTVError("PyYAML, which reads the configurations, is not installed: pip install "
                            "'nnunet-tv[workflow]'") from error
    return yaml
