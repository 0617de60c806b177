"""What the source states about its own scans in ``dataset_description.json`` (BIDS).

A folder with the layout of a public data set need not be that data set: phantoms follow it too. Name, licence,
reference and whether the scans are synthetic are therefore taken from the source's own description. BIDS has no field
for the last; data sets give it as ``"Synthetic": true`` or ``false``.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_tv.conversion.source import SourceDataset
from nnunet_tv.utils.errors import NnunetTVError

DESCRIPTION = "dataset_description.json"
SYNTHETIC, NOT_STATED = "Synthetic", "not stated"
#: Name, under ``GeneratedBy`` or ``Authors``, of the program that makes the demo's phantoms.
PHANTOM_MAKER = "nnunet-tv-demo"
_DOI = re.compile(r"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?(10\.\S+)", re.IGNORECASE)
_VERSION = re.compile(r"\.v\d[\d.]*$")


@dataclass(frozen=True)
class Origin:
    """Where the scans of a data set come from, in the words of the source."""

    name: str = NOT_STATED
    licence: str = NOT_STATED
    reference: str = NOT_STATED
    synthetic: bool | None = None  #: whether any of the scans are synthetic; None where nothing states it
    descriptions: tuple[Mapping[str, Any], ...] = ()  #: contents of the source's descriptions
    remarks: tuple[str, ...] = ()  #: what the person who converts should know


def read_origin(dataset: SourceDataset) -> Origin:
    """Read the descriptions of the data sets that hold the files of `dataset`.

    A file belongs to the nearest folder above it with a description, as given and with symbolic links resolved. One
    description that covers all files gives name, licence and reference.

    Raises
    ------
    NnunetTVError
        A description that cannot be read.
    """
    files = [path for case in dataset.cases for path in case.files.values()] or [dataset.folder / "nothing"]
    given = _holders(Path(os.path.abspath(path)) for path in files)
    resolved = _holders(Path(os.path.realpath(path)) for path in files)
    paths = {os.path.realpath(path): path for path in (*resolved, *given) if path}
    contents = {path: read_description(path) for path in paths.values()}
    states = [_synthetic(content, path, dataset.reference) for path, content in contents.items()]
    synthetic = True if True in states else False if states and None not in (*states, *given) else None
    only = next(iter(given), None) if len(given) == 1 else None
    own = contents[paths[os.path.realpath(only)]] if only else {}
    reference = _reference(own)
    recognised = bool(dataset.reference) and _same_doi(reference, dataset.reference)
    return Origin(
        name=_text(own.get("Name")) or (NOT_STATED if dataset.reference else dataset.name),
        licence=_text(own.get("License")) or NOT_STATED, reference=reference or NOT_STATED, synthetic=synthetic,
        descriptions=tuple(contents[path] for path in sorted(contents)),
        remarks=tuple(_remarks(dataset, own, synthetic, recognised=recognised)))


def _holders(files: Iterable[Path]) -> list[Path | None]:
    """Description of the nearest folder above each of the files, or None, each once."""
    found: dict[Path, Path | None] = {}
    for folder in {path.parent for path in files}:
        found[folder] = next((parent / DESCRIPTION for parent in (folder, *folder.parents)
                              if os.path.lexists(parent / DESCRIPTION)), None)
    return list(dict.fromkeys(found.values()))


def read_description(path: Path) -> dict[str, Any]:
    """Content of a ``dataset_description.json``; a :class:`NnunetTVError` if it is not a JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_no_constant)
    except (OSError, ValueError) as error:
        raise NnunetTVError(f"{path}: expected JSON as in BIDS, found a file that cannot be read ({error}): download "
                            "it again, or repair it; without it nothing states what the scans are") from error
    if not isinstance(content, dict):
        raise NnunetTVError(f"{path}: expected a JSON object as in BIDS, found {type(content).__name__}: repair it")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _synthetic(content: Mapping[str, Any], path: Path, published: str) -> bool | None:
    """Whether the scans are synthetic: as stated, phantoms of ours, or those of the `published` data set."""
    stated = content.get(SYNTHETIC)
    if not isinstance(stated, bool | None):
        raise NnunetTVError(f"{path}: {SYNTHETIC}: expected true or false, found {stated!r}: repair it")
    if stated or PHANTOM_MAKER in _makers(content):
        return True
    return False if stated is False or (published and _same_doi(_reference(content), published)) else None


def _makers(content: Mapping[str, Any]) -> Iterator[Any]:
    for key in ("GeneratedBy", "Authors"):
        entries = content.get(key)
        for entry in entries if isinstance(entries, list) else [entries]:
            yield entry.get("Name") if isinstance(entry, dict) else entry


def _text(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _reference(content: Mapping[str, Any]) -> str:
    """The DOI as a link, or how the data set is to be acknowledged."""
    stated = _text(content.get("DatasetDOI"))
    match = _DOI.fullmatch(stated)
    return f"https://doi.org/{match[1]}" if match else stated or _text(content.get("HowToAcknowledge"))


def _same_doi(first: str, second: str) -> bool:
    """Whether two references are one DOI, whatever the version."""
    return _VERSION.sub("", first).lower() == _VERSION.sub("", second).lower()


def _remarks(dataset: SourceDataset, own: Mapping[str, Any], synthetic: bool | None, *,
             recognised: bool) -> Iterator[str]:
    if synthetic:
        yield ("synthetic data: dataset.json records this, and nnunet-tv-predict warns in every output of a model that "
               "is trained on them")
    elif synthetic is None:
        yield (f"no {DESCRIPTION} states whether the scans are of patients or synthetic, so models trained on them are "
               f'reported as of unknown origin: add "{SYNTHETIC}": false or true to the one in the folder of the scans')
    if dataset.reference and not recognised:
        published = f"{dataset.name} ({dataset.licence}, {dataset.reference})"
        found = f"the DOI of {DESCRIPTION} is another or missing" if own else f"there is no {DESCRIPTION}"
        yield f"{dataset.folder} has the layout of {published}, but {found}: dataset.json does not cite it"
