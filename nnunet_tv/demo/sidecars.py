"""Sidecar JSONs, participants.tsv and the other text files of ds004199."""

from typing import Any

import numpy as np

from nnunet_tv import __version__
from nnunet_tv.conversion.description import PHANTOM_MAKER, SYNTHETIC
from nnunet_tv.demo.phantom import Phantom
from nnunet_tv.imaging.volume import Volume

#: Columns of participants.tsv, as in ds004199.
COLUMNS = ("participant_id", "group", "sex", "age_epilepsyonset", "age_scan", "mri_diagnosis", "map", "spect",
           "pet", "invasive_EEG", "op", "age_op", "histopathology", "1year_outcome", "latest_outcome",
           "time_follow-up", "hemisphere", "lobe", "split")
_TIMES_S = {"T1w": {"EchoTime": 0.00254, "RepetitionTime": 1.66, "InversionTime": 0.85, "FlipAngle": 9},
            "FLAIR": {"EchoTime": 0.388, "RepetitionTime": 5, "InversionTime": 1.8, "FlipAngle": 120}}


def sidecar(suffix: str, acquisition: str, image: Volume) -> dict:
    """Sidecar of a series; `suffix` is ``T1w`` or ``FLAIR``. Geometry is that of the image, timing nominal."""
    spacing = image.spacing_mm
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    to_lps = np.array([-1.0, -1.0, 1.0])
    rows_and_columns = [*(to_lps * axes[:, 0]), *(-to_lps * axes[:, 1])]
    thick = spacing[2] > 1.3 * spacing[0]
    return {
        "Modality": "MR",
        "Manufacturer": "none",
        "ManufacturersModelName": "nnunet-tv phantom",
        "PatientPosition": "HFS",
        "MRAcquisitionType": "2D" if thick else "3D",
        "SeriesDescription": f"phantom {suffix} {acquisition}",
        "ProtocolName": f"phantom {suffix} {acquisition}",
        "SliceThickness": round(float(spacing[2]), 4),
        **({"SpacingBetweenSlices": round(float(spacing[2]), 4)} if thick else {}),
        **_TIMES_S[suffix],
        "ImageOrientationPatientDICOM": [round(float(value), 6) for value in rows_and_columns],
        "ConversionSoftware": "nnunet-tv-demo",
    }


def participant(case: str, phantom: Phantom, rng: np.random.Generator, *, split: str) -> dict[str, str]:
    """Row of participants.tsv: side, lobe and histology are the lesion's own, the rest is drawn."""
    row = dict.fromkeys(COLUMNS, "n/a")
    sex, age = str(rng.choice(["M", "F"])), int(rng.integers(3, 12))
    row.update(participant_id=case, sex=sex, age_scan=str(age), op="0", split=split)
    if phantom.lesion is None:
        return {**row, "group": "hc"}
    operated = bool(rng.random() < 0.6)
    row.update(group="fcd", age_epilepsyonset=str(rng.integers(1, min(age, 5) + 1)),
               mri_diagnosis=str(rng.choice(["suspicion", "none"], p=[0.92, 0.08])),
               hemisphere=phantom.lesion.hemisphere, lobe=phantom.lesion.lobe, op=str(int(operated)))
    for column, share in {"map": 0.75, "spect": 0.25, "pet": 0.15, "invasive_EEG": 0.45}.items():
        row[column] = str(int(rng.random() < share))
    if operated:
        outcome = str(rng.choice(["IA", "IB", "IIA"], p=[0.8, 0.1, 0.1]))
        row.update({"age_op": str(age), "histopathology": phantom.lesion.histology, "1year_outcome": outcome,
                    "latest_outcome": outcome, "time_follow-up": "2"})
    return row


def participants_tsv(rows: list[dict[str, str]]) -> bytes:
    """The table as published: UTF-8 with a byte-order mark, lines that end in CR LF."""
    lines = ["\t".join(COLUMNS), *("\t".join(row[column] for column in COLUMNS) for row in rows)]
    return ("\r\n".join(lines) + "\r\n").encode("utf-8-sig")


#: Content of dataset_description.json.
DESCRIPTION = {"Name": "Synthetic phantoms with lesions that look like focal cortical dysplasia type II",
               "BIDSVersion": "1.6.0", "DatasetType": "raw", "License": "CC0", "Authors": [PHANTOM_MAKER],
               "GeneratedBy": [{"Name": PHANTOM_MAKER, "Version": __version__,
                                "Description": "Synthetic phantoms: no patient, no measured scan"}], SYNTHETIC: True}
#: Content of participants.json: the columns that are not drawn at random.
PARTICIPANTS: dict[str, dict[str, Any]] = {
    "group": {"Description": "the group a phantom belongs to",
              "Levels": {"fcd": "phantom with a lesion", "hc": "phantom without"}},
    "histopathology": {"Description": "the lesion's look, given to phantoms drawn as operated",
                       "Levels": {"IIa": "subtle", "IIb": "brighter, with a transmantle tail"}},
    "hemisphere": {"Description": "hemisphere of the lesion", "Levels": {"L": "left", "R": "right"}},
    "lobe": {"Description": "lobe of the lesion, by planes in template space",
             "Levels": {"FL": "frontal lobe", "TL": "temporal lobe", "PL": "parietal lobe", "OL": "occipital lobe"}},
}
README = """Synthetic phantoms in the layout of OpenNeuro ds004199. No patient, no measured scan.

Heads are made from the MNI152 tissue maps that nilearn bundles, deformed and posed at random; scalp, skull
and neck are concentric shells. Lesions are drawn on cortical grey matter: thickened cortex, blurred
grey-white boundary, bright FLAIR. Outside of the head images are exactly 0, as after masking; a scanner's
noise in air is missing. Clinical columns of participants.tsv are random, except hemisphere, lobe and
histopathology.

derivatives/phantom holds the truth: each lesion, and the transforms from template to both scans.
"""
