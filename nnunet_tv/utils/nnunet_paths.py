"""nnU-Net's three folders."""

import os
import re
from pathlib import Path

from nnunet_tv.utils.errors import NnunetTVError

#: Content by environment variable.
FOLDERS = {
    "nnUNet_raw": "data sets in nnU-Net's raw format",
    "nnUNet_preprocessed": "plans and preprocessed data",
    "nnUNet_results": "trained models",
}
#: In a raw data set that ``nnunet-tv-convert`` wrote: sources, their SHA-256 and status of each case.
CONVERSION_TABLE = "conversion.tsv"


def folder(variable: str) -> Path:
    """Folder of one of nnU-Net's variables; an error with the ``export`` line if it is not set."""
    value = os.environ.get(variable)
    if not value:
        raise NnunetTVError(f"the environment variable {variable} is not set. It gives the folder of "
                            f"{FOLDERS[variable]}: export {variable}=/a/folder/of/yours")
    return Path(value)


def check_dataset_name(name: str) -> str:
    """`name` if nnU-Net accepts it as a data set's folder; else an error with the rule."""
    if not re.fullmatch(r"Dataset[A-Za-z0-9._-]+", name) or "__" in name:
        raise NnunetTVError(f"data set name {name!r}: expected one such as DatasetFCD or Dataset085_FCD (letters, "
                            "digits, '.', '-' and '_', no '__')")
    return name
