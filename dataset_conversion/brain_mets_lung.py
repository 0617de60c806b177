"""Brain-Mets-Lung-MRI-Path-Segs (TCIA): brain metastases of lung cancer, T1w with contrast and FLAIR.

Layout: one folder per patient with ``*_t1ce_img``, ``*_flair_img``, ``*_core_seg`` and ``*_whole_seg``, each
``.nii.gz`` or ``.nii``. FLAIR and masks may be on another grid than the T1w with contrast. No split is published.
"""

from pathlib import Path

from nnunet_tv.conversion.dataset_spec import CV5, DatasetSpec, Option
from nnunet_tv.conversion.lists import image_stem, usable_name, wrong_counts
from nnunet_tv.conversion.source import PATIENT, SourceCase, SourceDataset
from nnunet_tv.utils.errors import NnunetTVError

LABELS = {"core": "metastasis_core", "whole": "metastasis_whole"}
SPEC = DatasetSpec(
    title="Brain-Mets-Lung-MRI-Path-Segs: brain metastases, T1w with contrast and FLAIR",
    folder_name="DatasetBrainMets",
    splits={"seeded": "69/14/17 % of the patients train/select/test, our own seeded draw", "cv5": CV5},
    spaces=("none", "t1"),
    no_other_space="registration to MNI152 was tried on scans without contrast only",
    no_controls="the data set lists no case without a metastasis",
    source="the folder that holds the patients' folders",
    options=(Option("--label", "the lesion: the tumour's core, or the whole tumour with oedema", "core",
                    tuple(LABELS)),),
)
#: Channels by the end of the file name.
CHANNELS = {"T1c": "_t1ce_img", "FLAIR": "_flair_img"}


def read(folder: str | Path, *, label: str = "core") -> SourceDataset:
    """Pair the files of every patient's folder; no file is opened.

    A patient whose files are not as expected has a ``problem``; the others are usable. The label is ``core`` or
    ``whole``.

    Raises
    ------
    ValueError
        Another label.
    NnunetTVError
        The folder is not this data set.
    """
    if label not in LABELS:
        raise ValueError(f"label is one of {', '.join(LABELS)}, not {label!r}")
    folder = Path(folder)
    if not folder.is_dir():
        raise NnunetTVError(f"{folder}: no such folder: give the folder that holds the patients' folders (-i)")
    cases, empty = [], []
    for patient in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        names = sorted(path.name for path in patient.iterdir() if image_stem(path.name))
        if names:
            cases.append(_case(patient, names, label))
        else:
            empty.append(patient.name)
    if not any(case.files for case in cases):
        raise NnunetTVError(f"{folder}: expected folders of patients with *_t1ce_img.nii.gz and so on, found "
                            f"{len(cases) + len(empty)} folders and no patient in them that can be used: give the "
                            "folder that holds the patients' folders (-i)")
    remarks = (f"folders without images: {', '.join(empty)}",) if empty else ()
    return SourceDataset(
        folder=folder, channels=tuple(CHANNELS), labels={"background": 0, LABELS[label]: 1},
        label_on="T1c" if label == "core" else "FLAIR", cases=tuple(cases),
        name=f"Brain-Mets-Lung-MRI-Path-Segs: T1w with contrast and FLAIR, {label} of the metastases",
        licence="CC BY 4.0", reference="The Cancer Imaging Archive, Brain-Mets-Lung-MRI-Path-Segs",
        options={"label": label}, remarks=remarks,
    )


def _case(patient: Path, names: list[str], label: str) -> SourceCase:
    if not usable_name(patient.name):
        return SourceCase(patient.name, PATIENT, problem=f"{patient}: nnU-Net's file names take letters, digits, - and "
                          "_ only: rename the folder")
    endings = {kind: f"*{ending}" for kind, ending in {**CHANNELS, "label": f"_{label}_seg"}.items()}
    found = {kind: [patient / name for name in names if image_stem(name).endswith(ending[1:])]
             for kind, ending in endings.items()}
    wrong = wrong_counts(found, endings)
    if wrong:
        return SourceCase(patient.name, PATIENT, problem=f"{patient}: expected one each of "
                          f"{', '.join(endings.values())}, found {wrong} ({', '.join(names)}): complete the download, "
                          "or leave one of each")
    return SourceCase(patient.name, PATIENT, {kind: found[kind][0] for kind in CHANNELS}, found["label"][0])
