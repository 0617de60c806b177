"""BONBID-HIE: hypoxic ischaemic lesions of newborns on skull-stripped ADC maps (Zenodo 8104103).

Layout: ``BONBID2023_Train`` and ``BONBID2023_Val``, each with ``1ADC_ss/ID-ADC_ss.mha``,
``2Z_ADC/Zmap_ID-ADC_smooth2mm_clipped10.mha`` and ``3LABEL/ID_lesion.mha``, where ID is such as
``MGHNICU_306-VISIT_01``: a newborn and a visit. 85 are published for training, 4 for validation. The voxels of the
three files correspond.
"""

from __future__ import annotations

import re
from pathlib import Path

from nnunet_tv.conversion.dataset_spec import CV5, DatasetSpec
from nnunet_tv.conversion.lists import not_one_of_each
from nnunet_tv.conversion.source import PATIENT, TEST, TRAIN, SourceCase, SourceDataset
from nnunet_tv.utils.errors import NnunetTVError

SPEC = DatasetSpec(
    title="BONBID-HIE: hypoxic ischaemic lesions of newborns, ADC and its Z map",
    folder_name="DatasetBONBID",
    splits={"official": "the published train (of which a seeded share selects) and validation (imagesTs)",
            "seeded": "69/14/17 % of all, our own seeded draw", "cv5": CV5},
    spaces=("none",),
    no_other_space="the ADC maps are skull-stripped and of newborns, and what registers here is made for whole heads "
                    "of adults",
    no_controls="the data set lists no newborn without a lesion",
    source="the folder that holds BONBID2023_Train and BONBID2023_Val",
)
PARTS = {"BONBID2023_Train": (TRAIN, 85), "BONBID2023_Val": (TEST, 4)}
_ID = r"(?P<case>(?P<person>MGHNICU_\d+)-VISIT_\d+)"
#: What a file is, by its folder and name.
KINDS = {
    "ADC": ("1ADC_ss", re.compile(rf"{_ID}-ADC_ss\.mha")),
    "Zmap": ("2Z_ADC", re.compile(rf"Zmap_{_ID}-ADC_smooth2mm_clipped10\.mha")),
    "label": ("3LABEL", re.compile(rf"{_ID}_lesion\.mha")),
}
KIND_NAMES = {"ADC": "ADC (1ADC_ss)", "Zmap": "Z map (2Z_ADC)", "label": "lesion mask (3LABEL)"}


def read(folder: str | Path) -> SourceDataset:
    """Pair the files of every visit by their names; no file is opened.

    Parameters
    ----------
    folder : Path
        Holds ``BONBID2023_Train`` and ``BONBID2023_Val``.

    Returns
    -------
    SourceDataset
        A visit whose files are not as expected has a ``problem``; the others are usable.

    Raises
    ------
    NnunetTVError
        The folder is not this data set.
    """
    folder = Path(folder)
    cases: dict[str, SourceCase] = {}
    remarks = []
    for part, (assigned, published) in PARTS.items():
        found = _part(folder, part, assigned)
        count = sum(bool(case.group) for case in found)  # strange names have no group
        if count != published:
            remarks.append(f"{part}: found {count} cases, published are {published}")
        for case in found:
            cases[case.case] = _in_both(case) if case.case in cases else case
    return SourceDataset(
        folder=folder, channels=("ADC", "Zmap"), labels={"background": 0, "HIE": 1}, label_on="ADC",
        cases=tuple(cases.values()), name="BONBID-HIE: hypoxic ischaemic encephalopathy, ADC and Z map of ADC",
        licence="CC BY-NC", reference="https://doi.org/10.5281/zenodo.8104103", one_grid=True, remarks=tuple(remarks),
    )


def _part(folder: Path, part: str, assigned: str) -> list[SourceCase]:
    """Cases of the training or the validation part, and names that belong to none."""
    missing = [name for name, _ in KINDS.values() if not (folder / part / name).is_dir()]
    if missing:
        raise NnunetTVError(f"{folder / part}: expected the folders {', '.join(name for name, _ in KINDS.values())}, "
                            f"found no {', '.join(missing)}: give the folder that holds {' and '.join(PARTS)} (-i)")
    found: dict[str, dict[str, list[Path]]] = {}
    persons: dict[str, str] = {}
    strange = []
    for kind, (name, pattern) in KINDS.items():
        for path in sorted((folder / part / name).iterdir()):
            match = pattern.fullmatch(path.name)
            if match:
                persons[match["case"]] = match["person"]
                found.setdefault(match["case"], {key: [] for key in KINDS})[kind].append(path)
            elif path.suffix == ".mha" and not path.name.startswith("."):
                problem = (f"{path}: its name is not one of BONBID-HIE's (expected {_example(kind)}): rename it or "
                           "move it away")
                strange.append(SourceCase(str(path.relative_to(folder)), "", problem=problem))
    return [*(_case(case, persons[case], assigned, found[case], folder / part) for case in sorted(found)), *strange]


def _case(case: str, person: str, assigned: str, files: dict[str, list[Path]], part: Path) -> SourceCase:
    wrong = not_one_of_each(files, dict.fromkeys(KINDS, 1), KIND_NAMES)
    if wrong:
        problem = f"{part}: expected one ADC, one Z map and one lesion mask, found {wrong}: complete the download"
        return SourceCase(case, PATIENT, assigned=assigned, problem=problem, person=person)
    label = files.pop("label")[0]
    return SourceCase(case, PATIENT, {kind: paths[0] for kind, paths in files.items()}, label, assigned, person=person)


def _in_both(case: SourceCase) -> SourceCase:
    return SourceCase(case.case, PATIENT, assigned="", person=case.person,
                      problem=f"it is in both {' and '.join(PARTS)}: leave it in the right one")


def _example(kind: str) -> str:
    case = "MGHNICU_306-VISIT_01"
    return {"ADC": f"{case}-ADC_ss.mha", "Zmap": f"Zmap_{case}-ADC_smooth2mm_clipped10.mha",
            "label": f"{case}_lesion.mha"}[kind]
