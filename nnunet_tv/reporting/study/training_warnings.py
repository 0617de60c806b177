"""Warnings on trainings: incomplete ones, and those that differ in what should be equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from nnunet_tv.scoring.prediction_settings import CHECKPOINT
from nnunet_tv.scoring.trainings import Training
from nnunet_tv.training.record.run_record import RunRecord, Session
from nnunet_tv.utils.numbers import some


@dataclass(frozen=True)
class _Trained:
    """A training with its record."""

    training: Training
    record: RunRecord

    @property
    def name(self) -> str:
        return _name(self.training)


def training_warnings(trainings: Sequence[Training]) -> list[str]:
    """Warnings in the order: what is not recorded, single trainings, within a group, between groups."""
    found = [_Trained(training, training.record) for training in trainings if training.record is not None]
    groups: dict[str, list[_Trained]] = {}
    for one in found:
        groups.setdefault(one.training.group, []).append(one)
    return [*_unrecorded(trainings), *_singles(found),
            *(text for name, group in groups.items() for text in _within(name, group)),
            *(text for pair in combinations(groups.items(), 2) for text in _between(*pair))]


def _unrecorded(trainings: Sequence[Training]) -> Iterator[str]:
    yield from dict.fromkeys(f"{_name(one)}: {one.problem}" for one in trainings if one.problem)
    names = list(dict.fromkeys(_name(one) for one in trainings if one.record is None and not one.problem))
    if names:
        yield f"No run.json was found for {some(names)}: how these models were trained is not recorded."


def _singles(found: Sequence[_Trained]) -> Iterator[str]:
    """One warning for all trainings that have it."""
    names: dict[str, list[str]] = {}
    for one in found:
        for text in _single(one):
            names.setdefault(text, []).append(one.name)
    yield from (f"{some(trained)}: {text}" for text, trained in names.items())


def _single(one: _Trained) -> Iterator[str]:
    record, training = one.record, one.training
    if not record.complete:
        yield (f"the training was not completed ({record.status}, {record.epochs} of "
               f"{record.planned_epochs} epochs when last recorded).")
    if training.checkpoint is False:
        yield (f"{CHECKPOINT} is not the one that run.json records: the row may describe another model.")
    if training.plan is False:
        yield "the plans.json of the predictions is not the plan of this training."
    if first := record.sessions[0].first_epoch:
        yield f"how the first {first} epochs were trained is not recorded."
    if any(session.modified for session in record.sessions):
        yield "trained by code with changes that its commit does not have."
    sessions = [{**_circumstances(session), "plan": session.plan_sha256, "data": session.data_sha256}
                for session in record.sessions]
    if differing := _differing(sessions):
        yield f"continued with another {', '.join(differing)}."


def _within(name: str, group: Sequence[_Trained]) -> Iterator[str]:
    """Differences between the runs of a group, and runs that are not independent."""
    properties = [_properties(one.record) | {"trainer": one.record.trainer} for one in group]
    for what in _differing(properties):
        values: dict[str, list[str]] = {}
        for one, of in zip(group, properties, strict=True):
            values.setdefault(of.get(what, "none"), []).append(one.name.removeprefix(f"{name}, "))
        listed = "; ".join(f"{value} ({some(names)})" for value, names in values.items())
        yield f"{name}: its runs differ in {what}: {listed}."
    roles = _common_roles(group)
    files = _files_by_cases(group, roles)
    if len(files) > 1 and not group[0].training.part:
        yield f"{name}: its runs were trained on {len(files)} different sets of cases."
    if any(len(found) > 1 for found in files.values()):
        yield f"{name}: the same cases were preprocessed to different files in some of its runs."
    seeds: dict[tuple, list[_Trained]] = {}
    for one in group:
        record = one.record
        if record.seeds.seed is not None:
            key = (record.trainer, record.plan_sha256, record.data.sha256, record.seeds.seed)
            seeds.setdefault(key, []).append(one)
    for (*_, seed), same in seeds.items():
        if len({one.training.run for one in same}) > 1:
            yield (f"{some([one.name for one in same])}: trained with one seed ({seed}) on the same data: not "
                   "independent trainings.")


def _between(first: tuple[str, Sequence[_Trained]], second: tuple[str, Sequence[_Trained]]) -> Iterator[str]:
    """Differences between two groups: a value that one of them does not have."""
    both = [[_properties(one.record) for one in group] for _, group in (first, second)]
    names = dict.fromkeys(name for group in both for of in group for name in of)
    found = [name for name in names if len({frozenset(of.get(name) for of in group) for group in both}) > 1]
    roles = _common_roles([*first[1], *second[1]])
    ours, theirs = (_files_by_cases(group, roles) for _, group in (first, second))
    if ours.keys() != theirs.keys():
        found.append("training or selection cases")
    elif ours != theirs:
        found.append("preprocessed files of the same cases")
    if found:
        yield f"{first[0]} and {second[0]} differ in {', '.join(found)}: their comparison includes that difference."


def _properties(record: RunRecord) -> dict[str, str]:
    """What should be equal in all trainings that are compared, beside their data."""
    return {"data set": record.dataset, "plan": record.plan_sha256[:12],
            "network": f"{record.network.class_name}, {record.network.parameters} parameters",
            "recipe": record.recipe,
            "optimizer": ", ".join(f"{name} {value}" for name, value in record.optimizer.items()),
            "planned epochs": str(record.planned_epochs),
            **_circumstances(record.sessions[-1])}


def _circumstances(session: Session) -> dict[str, str]:
    """Versions, checkout and device of a session."""
    return {**{f"version of {name}": version for name, version in session.versions.items()},
            "commit": str(session.commit or "none")[:12], "device": f"{session.device.count} × {session.device.name}",
            "compilation": "compiled" if session.compiled else "not compiled",
            "precision": "mixed" if session.mixed_precision else "single"}


def _differing(properties: Sequence[dict[str, str]]) -> list[str]:
    names = dict.fromkeys(name for of in properties for name in of)
    return [name for name in names if len({of.get(name) for of in properties}) > 1]


def _common_roles(group: Sequence[_Trained]) -> list[str]:
    """Roles of cases that all trainings have: the two recipes share ``train``."""
    return sorted(set.intersection(*(set(one.record.data.roles) for one in group)))


def _files_by_cases(group: Sequence[_Trained], roles: Sequence[str]) -> dict[tuple, set[tuple]]:
    """Digests of the files by those of the cases' names, each a tuple over `roles`."""
    found: dict[tuple, set[tuple]] = {}
    for one in group:
        data = [one.record.data.roles[role] for role in roles]
        found.setdefault(tuple(each.names_sha256 for each in data), set()).add(
            tuple(each.files_sha256 for each in data))
    return found


def _name(training: Training) -> str:
    fold = f", fold {training.record.fold}" if training.record is not None and training.part else ""
    return f"{training.group}, run {training.run}{fold}"
