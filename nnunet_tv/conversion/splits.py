"""Splits into training, selection and test: seeded draws that depend on the set of patients only.

The published method gives sizes (59 training, 12 validation, 14 test of 85), not patients. The draws here are therefore
our own, fixed by :data:`SEED`; they do not reproduce the paper's unpublished ones.

An entry of ``splits_final.json`` is ``{"train", "val", "selection"}``. nnU-Net reads ``train`` and ``val``;
``selection`` is for early stopping and for the choice of weights. With ``paper`` and ``official`` the selection cases
are ``val``; with ``cv5`` a fold is ``val``, and 15 % of the others are ``selection`` and not in ``train``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from nnunet_tv.conversion.source import SELECTION, TEST
from nnunet_tv.utils.errors import NnunetTVError

#: Of every draw. Changing it changes the test patients.
SEED = 4199
#: The paper's sizes: training, validation (our selection), test.
PAPER = (59, 12, 14)
#: Share of the official split's training patients that are for selection.
OFFICIAL_SELECTION = 10 / 57
FOLDS, INNER_SELECTION = 5, 0.15
DEFAULT_REPEATS = 10

Fold = dict[str, list[str]]


@dataclass(frozen=True)
class Split:
    """Folds over the training patients, and the test patients."""

    folds: tuple[Fold, ...]  #: entries of ``splits_final.json``; identifiers sorted
    test: tuple[str, ...]  #: in no fold


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
    """Draw 59 / 12 / 14 of 85 patients, and the same shares of any other number.

    One patient is for training, and of two none is for the test. There are `repeats` equal folds: run k is fold k.
    """
    order = _shuffled(patients, 0)
    total = sum(PAPER)
    n_selection = _size(len(order), PAPER[1] / total, max(0, len(order) - 1))
    n_test = _size(len(order), PAPER[2] / total, max(0, len(order) - 1 - n_selection))
    test, selection, train = order[:n_test], order[n_test:n_test + n_selection], order[n_test + n_selection:]
    return Split((_fold(train, selection, selection),) * repeats, tuple(sorted(test)))


def split_official(assigned: Mapping[str, str], *, repeats: int = DEFAULT_REPEATS) -> Split:
    """Take the authors' training and test patients, and draw the selection from the training (10 of 57).

    `assigned` is ``train``, ``selection`` or ``test`` by patient; where any is ``selection``, none is drawn. There are
    `repeats` equal folds.
    """
    order = _shuffled((case for case, role in assigned.items() if role != TEST), 1)
    chosen = [case for case in order if assigned[case] == SELECTION]
    selection = chosen or order[:_size(len(order), OFFICIAL_SELECTION, max(0, len(order) - 1))]
    fold = _fold(set(order) - set(selection), selection, selection)
    return Split((fold,) * repeats, tuple(sorted(case for case, role in assigned.items() if role == TEST)))


def split_cv5(patients: Iterable[str]) -> Split:
    """Draw five folds over all patients (at least five), and of the other four folds of each 15 % for selection."""
    order = _shuffled(patients, 2)
    if len(order) < FOLDS:
        raise NnunetTVError(f"--split cv5 needs at least {FOLDS} patients, found {len(order)}: use another --split")
    folds = []
    for number in range(FOLDS):
        val = order[number::FOLDS]
        others = _shuffled(set(order) - set(val), 3, number)
        n_selection = _size(len(others), INNER_SELECTION, len(others) - 1)
        folds.append(_fold(others[n_selection:], val, others[:n_selection]))
    return Split(tuple(folds), ())


def expanded(split: Split, cases: Mapping[str, Iterable[str]]) -> Split:
    """A split of persons as a split of their `cases`; those of one person stay together."""
    def of(persons: Iterable[str]) -> list[str]:
        return sorted(case for person in persons for case in cases[person])

    folds = tuple({role: of(persons) for role, persons in fold.items()} for fold in split.folds)
    return Split(folds, tuple(of(split.test)))


def without(folds: Iterable[Fold], missing: set[str]) -> list[Fold]:
    """`folds` without the cases that are missing; all others keep their roles."""
    return [{role: [case for case in cases if case not in missing] for role, cases in fold.items()} for fold in folds]
