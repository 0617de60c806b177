"""OpenNeuro ds004199: 85 people with focal cortical dysplasia type II and 85 controls (Schuch et al. 2023).

Layout: ``participants.tsv`` (byte-order mark, CRLF; columns ``participant_id``, ``group`` fcd or hc, ``split`` train
or test) and, for each subject, ``sub-*/anat`` with one T1w, one FLAIR and, for patients, one lesion mask ``*_roi``
drawn on the FLAIR. Acquisition names vary, and one mask (sub-00048, version 1.0.6) carries another acquisition's name
than its FLAIR: files are therefore paired by subject.
"""

import re
from pathlib import Path

from nnunet_tv.conversion.dataset_spec import CV5, DatasetSpec
from nnunet_tv.conversion.lists import image_stem, wrong_counts
from nnunet_tv.conversion.source import CONTROL, PATIENT, SourceCase, SourceDataset
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.tables import read_tsv

SPEC = DatasetSpec(
    title="OpenNeuro ds004199: FCD type II, T1w and FLAIR",
    folder_name="DatasetFCD",
    splits={"paper": "59/12/14 of 85, our own seeded draw", "official": "the data set's train/test", "cv5": CV5},
    spaces=("mni", "t1", "none"),
    controls=True,
)
CHANNELS = ("T1w", "FLAIR")
GROUPS = {"fcd": PATIENT, "hc": CONTROL}
COLUMNS = ("participant_id", "group")
#: Kinds of files by the end of the name, and their names in messages.
KINDS = {"T1w": "_T1w", "FLAIR": "_FLAIR", "label": "_roi"}
KIND_NAMES = {"T1w": "T1w", "FLAIR": "FLAIR", "label": "lesion mask"}


def read(folder: str | Path) -> SourceDataset:
    """Pair the files of every subject; only ``participants.tsv`` is opened.

    A subject whose files or row are not as expected has a ``problem``; the others are usable.

    Raises
    ------
    NnunetTVError
        The folder is not this data set.
    """
    folder = Path(folder)
    path = folder / "participants.tsv"
    if not folder.is_dir():
        raise NnunetTVError(f"{folder}: no such folder: give the folder into which ds004199 was downloaded (-i)")
    if not path.is_file():
        raise NnunetTVError(f"{folder}: expected participants.tsv and sub-*/anat as in OpenNeuro ds004199, found no "
                            "participants.tsv: give the data set's own folder")
    columns, table = read_tsv(path)
    if not set(COLUMNS) <= set(columns):
        raise NnunetTVError(f"{path}: expected columns {', '.join(COLUMNS)}, found {', '.join(columns) or 'nothing'}: "
                            "this is not the list of ds004199")
    rows: dict[str, list[dict[str, str]]] = {}
    for row in table.values():
        rows.setdefault(row["participant_id"], []).append(row)
    rows.pop("", None)
    folders = {path.name: path for path in folder.glob("sub-*") if path.is_dir()}
    if not folders:
        raise NnunetTVError(f"{folder}: expected subject folders (sub-00001 …), found none: give the folder "
                            "of ds004199 into which the data were downloaded")
    cases = [_case(subject, rows.get(subject, []), folders.get(subject), folder)
             for subject in sorted({*rows, *folders})]
    return SourceDataset(
        folder=folder, channels=CHANNELS, labels={"background": 0, "FCD": 1}, label_on="FLAIR", cases=tuple(cases),
        name="OpenNeuro ds004199: focal cortical dysplasia type II, T1w and FLAIR", licence="CC0",
        reference="https://doi.org/10.18112/openneuro.ds004199.v1.0.6",
    )


def _case(subject: str, rows: list[dict[str, str]], folder: Path | None, root: Path) -> SourceCase:
    row = rows[0] if rows else {}
    group, assigned = GROUPS.get(row.get("group", ""), ""), row.get("split", "")
    problem = _row_problem(subject, rows, group, root / subject)
    if problem or folder is None:
        return SourceCase(subject, group, assigned=assigned, problem=problem)
    names = [path.name for path in sorted(folder.glob("anat/*")) if image_stem(path.name)]
    found = {kind: [folder / "anat" / name for name in names
                    if name.startswith(f"{subject}_") and image_stem(name).endswith(ending)]
             for kind, ending in KINDS.items()}
    wrong = wrong_counts(found, KIND_NAMES, absent=() if group == PATIENT else ("label",))
    if wrong:
        kinds = "one T1w, one FLAIR" + (" and one lesion mask (_roi)" if group == PATIENT else " and no lesion mask")
        # a control with a mask may be a patient: without a group it is reported whatever --controls is
        known = "" if group == CONTROL and found["label"] else group
        return SourceCase(subject, known, assigned=assigned,
                          problem=f"{folder / 'anat'}: expected {kinds}, found {wrong} "
                                  f"({', '.join(names) or 'no NIfTI file'}): complete the download, or leave one of "
                                  "each")
    channels, label = {name: found[name][0] for name in CHANNELS}, next(iter(found["label"]), None)
    flair = channels["FLAIR"].name
    notes = () if label is None or label.name.startswith(f"{image_stem(flair)}_roi.") else (
        f"mask {label.name} does not carry the name of its FLAIR {flair}: paired by subject",)
    return SourceCase(subject, group, channels, label, assigned, notes=notes)


def _row_problem(subject: str, rows: list[dict[str, str]], group: str, folder: Path) -> str:
    if not rows:
        return f"{folder}: the folder's subject is not in participants.tsv, so its group is unknown: add its row"
    if len(rows) > 1:
        return f"participants.tsv has {len(rows)} rows for it: leave the right one"
    if not re.fullmatch(r"sub-[A-Za-z0-9]+", subject):
        return "participants.tsv: expected an identifier such as sub-00001: repair the row"
    if not group:
        return f"participants.tsv: expected group fcd or hc, found {rows[0]['group']!r}: repair the row"
    if not folder.is_dir():
        return "it is in participants.tsv, but there is no folder for it: download it"
    return ""
