"""Digests of plans and preprocessed cases."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_tv.training.record.run_record import CaseDigests, Data
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, sha256

#: Endings of a preprocessed case's files: nnU-Net's two formats. ``.npy`` are unpacked from ``.npz`` and left out.
ENDINGS = (".b2nd", "_seg.b2nd", ".npz", ".pkl")


def json_sha256(content: Any) -> str:
    """SHA-256 of canonical JSON: keys sorted, no blanks, UTF-8; the same for a file however it is indented."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def lines_sha256(lines: Iterable[str]) -> str:
    """SHA-256 of lines, sorted, each with its line feed."""
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()


def data_digests(
    roles: Mapping[str, Sequence[str]], folder: Path, *, splits: Path, dataset_json: Mapping[str, Any],
    conversion: Path | None
) -> Data:
    """Digests of the preprocessed files of the cases in each role, which are read completely.

    Parameters
    ----------
    roles : mapping of str to sequence of str
        Cases by role.
    folder : Path
        nnU-Net's preprocessed data of the configuration.
    splits, conversion : Path
        ``splits_final.json``, and the raw data set's ``conversion.tsv``; None where they do not exist.
    dataset_json : mapping
        Content of ``dataset.json``.

    Raises
    ------
    NnunetTVError
        A case without a file in `folder`.
    """
    files: dict[str, list[str]] = {}
    for case in {case for cases in roles.values() for case in cases}:
        found = [path for ending in ENDINGS if (path := folder / f"{case}{ending}").is_file()]
        if not found:
            raise NnunetTVError(f"{folder}: expected the preprocessed files of {case}, found none: run nnunet-tv-plan "
                                "again")
        files[case] = [f"{path.name} {sha256(path)}" for path in found]
    digests = {role: CaseDigests(len(set(cases)), lines_sha256(set(cases)),
                                 lines_sha256(line for case in set(cases) for line in files[case]))
               for role, cases in roles.items()}
    return Data(
        roles=digests, splits_sha256=json_sha256(read_json(splits)) if splits.is_file() else None,
        dataset_sha256=json_sha256(dataset_json),
        conversion_sha256=sha256(conversion) if conversion is not None and conversion.is_file() else None,
        sha256=lines_sha256(f"{role} {one.names_sha256} {one.files_sha256}" for role, one in digests.items()))
