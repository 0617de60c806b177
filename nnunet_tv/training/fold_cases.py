"""Cases of a fold: those trained on, those that choose the weights, and those that the validation scores."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json


@dataclass(frozen=True)
class FoldCases:
    """Identifiers of a fold's cases; fold ``all`` trains on every case and has no selection set apart from them."""

    fold: int | str
    splits_file: Path
    train: Sequence[str]
    validation: Sequence[str]
    selection: Sequence[str]

    @property
    def scored_selection(self) -> set[str]:
        """Cases that choose the weights and are scored by the validation as well."""
        return set() if self.fold == "all" else set(self.selection) & set(self.validation)

    def check(self, preprocessed: Collection[str]) -> None:
        """NnunetTVError for a role without cases, for training cases that select, or for unknown cases."""
        where = f"fold {self.fold} of {self.splits_file}"
        roles = {"train": self.train, "val": self.validation, "selection": self.selection}
        if empty := [role for role, cases in roles.items() if not cases]:
            raise NnunetTVError(f"{where} has no {empty[0]} case: correct the split")
        if self.fold != "all" and (shared := sorted(set(self.train) & set(self.selection))):
            raise NnunetTVError(f"{where} has cases in train and in the selection set, so that weights would be chosen "
                                f"on cases they were trained on: {', '.join(shared)}")
        if missing := sorted({case for cases in roles.values() for case in cases} - set(preprocessed)):
            raise NnunetTVError(f"{where} names cases that are not preprocessed: {', '.join(missing)}. Run "
                                "nnunet-tv-plan again, or correct the split.")


def read_fold_cases(splits_file: Path, fold: int | str, *, train: Sequence[str],
                    validation: Sequence[str]) -> FoldCases:
    """`train` and `validation` as nnU-Net splits them, with the fold's ``selection``, or else its ``val``.

    NnunetTVError if the file does not have the fold.
    """
    selection = validation
    if fold != "all" and splits_file.is_file():
        splits = read_json(splits_file)
        if int(fold) >= len(splits):
            raise NnunetTVError(f"{splits_file} has folds 0 to {len(splits) - 1}, not {fold}: nnU-Net would draw "
                                "another split at random. Convert with more --repeats, or choose one of its folds")
        selection = splits[int(fold)].get("selection", validation)
    return FoldCases(fold, splits_file, list(train), list(validation), list(selection))
