"""Who trains, who selects, who is tested: seeded draws that depend on the set of patients and nothing else.

The published method names sizes (59 training, 12 validation, 14 test of 85), not persons. The draws here
are therefore our own, fixed by :data:`SEED`; they do not reproduce the paper's unpublished ones.

An entry of ``splits_final.json`` is ``{"train", "val", "selection"}``. nnU-Net reads ``train`` and ``val``;
``selection`` is for early stopping and for the choice of weights. With ``paper`` and ``official`` the
selection cases are ``val``; with ``cv5`` a fold is ``val``, and 15 % of the others are ``selection``, left
out of ``train``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from nnunet_tv.conversion.source import SELECTION, TEST
from nnunet_tv.utils.errors import NnunetTVError

#: Every draw comes from it. Changing it changes who is tested.
SEED = 4199
#: The paper's sizes: training, validation (our selection), test.
PAPER = (59, 12, 14)
#: Of the training patients of the official split, this share selects (10 of 57).
OFFICIAL_SELECTION = 10 / 57
FOLDS, INNER_SELECTION = 5, 0.15
DEFAULT_REPEATS = 10

Fold = dict[str, list[str]]


@dataclass(frozen=True)
class Split:
    """Folds over the training patients, and the test patients.

    Attributes
    ----------
    folds : tuple of dict
        Entries of ``splits_final.json``; identifiers sorted.
    test : tuple of str
        Patients kept out of all folds.
    """

    folds: tuple[Fold, ...]
    test: tuple[str, ...]


def _shuffled(cases: Iterable[str], *stream: int) -> list[str]:
    """`cases` in an order that depends on the set, the seed and `stream` only."""
    ordered = sorted(cases)
    keys = np.random.Generator(np.random.PCG64([SEED, *stream])).random(len(ordered))
    return [ordered[index] for index in np.argsort(keys, kind="stable")]


def _size(count: int, share: float, room: int) -> int:
    """Rounded share of `count`, at least one where there is `room` for it."""
    return min(max(1, round(count * share)), room)


def _fold(train: Iterable[str], val: Iterable[str], selection: Iterable[str]) -> Fold:
    return {"train": sorted(train), "val": sorted(val), "selection": sorted(selection)}


def split_paper(patients: Iterable[str], *, repeats: int = DEFAULT_REPEATS) -> Split:
    """59 / 12 / 14 of 85 patients; the same shares of any other number.

    Parameters
    ----------
    patients : iterable of str
        Identifiers, in any order. Of one there is only training, of two no test.
    repeats : int
        Number of equal folds: run k is fold k.
    """
    order = _shuffled(patients, 0)
    total = sum(PAPER)
    n_selection = _size(len(order), PAPER[1] / total, max(0, len(order) - 1))
    n_test = _size(len(order), PAPER[2] / total, max(0, len(order) - 1 - n_selection))
    test, selection, train = np.split(np.array(order, object), [n_test, n_test + n_selection])
    fold = _fold(train, selection, selection)
    return Split(tuple(fold for _ in range(repeats)), tuple(sorted(test)))


def split_official(assigned: Mapping[str, str], *, repeats: int = DEFAULT_REPEATS) -> Split:
    """The authors' training and test patients; 10 of 57 training patients (or that share) select.

    Parameters
    ----------
    assigned : dict of str to str
        ``train``, ``selection`` or ``test`` for each patient. Where any is ``selection``, none is drawn.
    repeats : int
        Number of equal folds: run k is fold k.
    """
    order = _shuffled((case for case, role in assigned.items() if role != TEST), 1)
    chosen = [case for case in order if assigned[case] == SELECTION]
    selection = chosen or order[:_size(len(order), OFFICIAL_SELECTION, max(0, len(order) - 1))]
    fold = _fold(set(order) - set(selection), selection, selection)
    return Split(tuple(fold for _ in range(repeats)),
                 tuple(sorted(case for case, role in assigned.items() if role == TEST)))


def split_cv5(patients: Iterable[str]) -> Split:
    """Five folds over all patients; within each, 15 % of the other four folds select.

    Raises
    ------
    NnunetTVError
        Fewer than five patients.
    """
    order = _shuffled(patients, 2)
    if len(order) < FOLDS:
        raise NnunetTVError(f"--split cv5 needs at least {FOLDS} patients, found {len(order)}: use another --split")
    folds = []
    for number in range(FOLDS):
        val = set(order[number::FOLDS])
        others = _shuffled(set(order) - val, 3, number)
        n_selection = _size(len(others), INNER_SELECTION, len(others) - 1)
        folds.append(_fold(others[n_selection:], val, others[:n_selection]))
    return Split(tuple(folds), ())


def expanded(split: Split, cases: Mapping[str, Iterable[str]]) -> Split:
    """A draw of persons as a draw of their `cases`: those of one person stay together."""
    def of(persons: Iterable[str]) -> list[str]:
        return sorted(case for person in persons for case in cases[person])

    folds = tuple({role: of(persons) for role, persons in fold.items()} for fold in split.folds)
    return Split(folds, tuple(of(split.test)))


def without(folds: Iterable[Fold], missing: set[str]) -> list[Fold]:
    """Folds without the cases that are not there; nobody else moves."""
    return [{role: [case for case in cases if case not in missing] for role, cases in fold.items()} for fold in folds]
