"""BONBID-HIE: hypoxic ischaemic lesions of newborns on skull-stripped ADC maps (Zenodo 8104103).

Layout: ``BONBID2023_Train`` and ``BONBID2023_Val``, each with ``1ADC_ss/ID-ADC_ss.mha``,
``2Z_ADC/Zmap_ID-ADC_smooth2mm_clipped10.mha`` and ``3LABEL/ID_lesion.mha``, where ID is such as
``MGHNICU_306-VISIT_01``: a newborn and a visit. 85 are published for training, 4 for validation. The voxels of the
three files correspond.
"""

import re
from pathlib import Path

from nnunet_tv.conversion.dataset_spec import CV5, DatasetSpec
from nnunet_tv.conversion.lists import wrong_counts
from nnunet_tv.conversion.source import PATIENT, TEST, TRAIN, SourceCase, SourceDataset
from nnunet_tv.utils.errors import NnunetTVError

SPEC = DatasetSpec(
    title="BONBID-HIE: hypoxic ischaemic lesions of newborns, ADC and its Z map",
    folder_name="DatasetBONBID",
    splits={"official": "the published train (of which a seeded share selects) and validation (imagesTs)",
            "seeded": "69/14/17 % of all, our own seeded draw", "cv5": CV5},
    spaces=("none",),
    no_other_space="the ADC maps are skull-stripped and of newborns, and the registration is made for whole heads of "
                   "adults",
    no_controls="the data set lists no newborn without a lesion",
    source="the folder that holds BONBID2023_Train and BONBID2023_Val",
)
#: Parts with their role and the published number of cases.
PARTS = {"BONBID2023_Train": (TRAIN, 85), "BONBID2023_Val": (TEST, 4)}
#: Folder and file name of each kind.
KINDS = {"ADC": ("1ADC_ss", "{}-ADC_ss.mha"), "Zmap": ("2Z_ADC", "Zmap_{}-ADC_smooth2mm_clipped10.mha"),
         "label": ("3LABEL", "{}_lesion.mha")}
KIND_NAMES = {"ADC": "ADC (1ADC_ss)", "Zmap": "Z map (2Z_ADC)", "label": "lesion mask (3LABEL)"}


def read(folder: str | Path) -> SourceDataset:
    """Pair the files of every visit by their names; no file is opened.

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
        count = sum(bool(case.group) for case in found)  # files with other names have no group
        if count != published:
            remarks.append(f"{part}: found {count} cases, published are {published}")
        for case in found:
            cases[case.case] = case if case.case not in cases else SourceCase(
                case.case, PATIENT, person=case.person,
                problem=f"it is in both {' and '.join(PARTS)}: leave it in the right one")
    return SourceDataset(
        folder=folder, channels=("ADC", "Zmap"), labels={"background": 0, "HIE": 1}, label_on="ADC",
        cases=tuple(cases.values()), name="BONBID-HIE: hypoxic ischaemic encephalopathy, ADC and Z map of ADC",
        licence="CC BY-NC", reference="https://doi.org/10.5281/zenodo.8104103", one_grid=True, remarks=tuple(remarks),
    )


def _part(folder: Path, part: str, assigned: str) -> list[SourceCase]:
    """Cases of the training or the validation part, and one with a problem per file of another name."""
    names = [name for name, _ in KINDS.values()]
    missing = [name for name in names if not (folder / part / name).is_dir()]
    if missing:
        raise NnunetTVError(f"{folder / part}: expected the folders {', '.join(names)}, found no "
                            f"{', '.join(missing)}: give the folder that holds {' and '.join(PARTS)} (-i)")
    found: dict[str, dict[str, list[Path]]] = {}
    others = []
    for kind, (name, pattern) in KINDS.items():
        expression = re.escape(pattern).replace(r"\{\}", r"(MGHNICU_\d+-VISIT_\d+)")
        for path in sorted((folder / part / name).iterdir()):
            if match := re.fullmatch(expression, path.name):
                found.setdefault(match[1], {key: [] for key in KINDS})[kind].append(path)
            elif path.suffix == ".mha" and not path.name.startswith("."):
                problem = (f"{path}: its name is not one of BONBID-HIE's (expected "
                           f"{pattern.format('MGHNICU_306-VISIT_01')}): rename it or move it away")
                others.append(SourceCase(str(path.relative_to(folder)), "", problem=problem))
    return [*(_case(case, assigned, found[case], folder / part) for case in sorted(found)), *others]


def _case(case: str, assigned: str, files: dict[str, list[Path]], part: Path) -> SourceCase:
    person, wrong = case.partition("-")[0], wrong_counts(files, KIND_NAMES)
    if wrong:
        problem = f"{part}: expected one ADC, one Z map and one lesion mask, found {wrong}: complete the download"
        return SourceCase(case, PATIENT, assigned=assigned, problem=problem, person=person)
    channels = {kind: files[kind][0] for kind in ("ADC", "Zmap")}
    return SourceCase(case, PATIENT, channels, files["label"][0], assigned, person=person)
