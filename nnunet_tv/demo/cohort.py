"""Phantoms one after the other into a folder that is ours: a second call completes the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, write_json

#: Where a data set without a place for derivatives keeps the truth about its phantoms.
TRUTH = Path(".phantoms")
SETTINGS = "settings.json"
Member = TypeVar("Member")


def claim(folder: Path, truth: Path, asked: dict[str, Any]) -> None:
    """Mark `folder` as the data set that `asked` describes, or say why it cannot be.

    Parameters
    ----------
    folder : Path
        The data set.
    truth : Path
        Folder within it that holds the mark.
    asked : dict
        What decides how the phantoms are, as JSON gives it back.

    Raises
    ------
    NnunetTVError
        The folder holds something else, or phantoms made with other settings.
    """
    marker = folder / truth / SETTINGS
    if marker.exists():
        found = read_json(marker)
        if found != asked:
            different = ", ".join(f"{key}: {found.get(key)} there, {asked[key]} now"
                                  for key in asked if found.get(key) != asked[key])
            raise NnunetTVError(f"{folder}: holds phantoms made differently ({different}): "
                                "choose another folder or delete this one")
        return
    if folder.exists() and any(folder.iterdir()):
        raise NnunetTVError(f"{folder}: expected an empty or new folder, found {len(list(folder.iterdir()))} "
                            f"entries and no {truth / SETTINGS}: choose another folder")
    write_json(asked, marker)


def each_member(folder: Path, truth: Path, members: Sequence[Member], make: Callable[[Member], dict[str, Any]],
                *, progress: bool = True) -> list[dict[str, Any]]:
    """Make every member that is not there yet.

    Parameters
    ----------
    folder, truth : Path
        As for :func:`claim`.
    members : sequence
        Each has a name ``case``.
    make : callable
        Writes a member's files and returns its record, which is written last and marks it as complete.
    progress : bool
        Show a progress bar.

    Returns
    -------
    list of dict
        The records, in order.
    """
    records = []
    for member in tqdm(members, desc="phantoms", disable=not progress):
        path = folder / truth / f"{member.case}.json"
        if not path.exists():
            write_json(make(member), path)
        records.append(read_json(path))
    return records


def check_counts(patients: int, controls: int, test: int) -> None:
    """Raise for numbers of subjects that cannot be."""
    if patients < 1 or controls < 0 or not 0 <= test <= patients:
        raise NnunetTVError("expected at least one patient, no negative number and at most as many tested "
                            f"as there are, found patients={patients}, controls={controls}, test={test}")


def plain(content: dict[str, Any]) -> dict[str, Any]:
    """`content` as JSON gives it back: tuples become lists."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}
