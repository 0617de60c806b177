"""Conversion of one DICOM series to one anonymous NIfTI volume with dcm2niix."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from nnunet_tv.intake.dicom_header import quiet_pydicom
from nnunet_tv.intake.series_metadata import Series
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import atomic
from nnunet_tv.utils.redaction import redact

_TIMEOUT_S = 600


def find_dcm2niix() -> str:
    """Path of the program: on PATH, or of the Python package of that name; a NnunetTVError without either."""
    if found := shutil.which("dcm2niix"):
        return found
    with contextlib.suppress(ImportError):
        import dcm2niix

        if Path(dcm2niix.bin).is_file():
            return str(dcm2niix.bin)
    raise NnunetTVError("DICOM needs the program dcm2niix, which is neither on PATH nor installed for this Python: "
                        "pip install dcm2niix")


def convert_series(case: str, name: str, series: Series, output: Path, *, secrets: Iterable[str] = ()) -> None:
    """Write the volume of a DICOM series to `output` (``.nii.gz``), atomically, without texts of its header.

    `name` is the channel, for messages; `secrets` are redacted in quotations of dcm2niix's output. A
    :class:`CaseError` is raised if dcm2niix fails, or makes no volume or several of the series.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=output.parent) as folder:
        source, target = Path(folder, "dicom"), Path(folder, "nifti")
        source.mkdir()
        target.mkdir()
        for index, path in enumerate(series.files):
            _give(path, source / f"{index:06d}.dcm")
        command = [find_dcm2niix(), "-b", "n", "-ba", "y", "-z", "n", "-f", "series", "-o", str(target), str(source)]
        text = _run(command, case, name, series, secrets)
        made = sorted(target.glob("*.nii"))
        if len(made) > 1 and _is_one_stack(series.files):
            for path in made:
                path.unlink()
            _unify_study_time(source)
            text = _run([*command[:-1], "-m", "y", command[-1]], case, name, series, secrets)
            made = sorted(target.glob("*.nii"))
        if len(made) != 1:
            raise CaseError(case, f"expected one volume of {series.label} ({name}), dcm2niix made {len(made)} "
                            f"({', '.join(path.name for path in made) or 'nothing'}): the series is incomplete or "
                            f"contains several images; output of dcm2niix: {text[-300:]}")
        _write_geometry_only(made[0], output)


def _give(path: Path, link: Path) -> None:
    """Link to a file, or a copy in a form that dcm2niix reads: with preamble, not deflated."""
    with path.open("rb") as file:
        complete = file.read(132)[128:] == b"DICM"
    with quiet_pydicom() as pydicom:
        meta = pydicom.filereader.read_file_meta_info(path) if complete else pydicom.dataset.FileMetaDataset()
        if complete and meta.get("TransferSyntaxUID") != pydicom.uid.DeflatedExplicitVRLittleEndian:
            try:
                link.symlink_to(path.resolve())
            except OSError:  # a file system without links
                shutil.copyfile(path, link)
            return
        dataset = pydicom.dcmread(path, force=True)
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        if syntax is None or syntax.is_deflated:
            implicit = syntax is None and dataset.original_encoding[0]
            dataset.file_meta.TransferSyntaxUID = (pydicom.uid.ImplicitVRLittleEndian if implicit
                                                   else pydicom.uid.ExplicitVRLittleEndian)
        dataset.save_as(link, enforce_file_format=True)


def _is_one_stack(files: Iterable[Path]) -> bool:
    """Whether the headers describe one volume: one echo and orientation, each slice in a place of its own."""
    places, kinds = [], set()
    for path in files:
        with quiet_pydicom() as pydicom:
            header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        places.append(str(header.get("ImagePositionPatient")))
        kinds.add(tuple(str(header.get(name)) for name in ("ImageOrientationPatient", "EchoTime", "ImageType")))
    return "None" not in places and len(set(places)) == len(places) and len(kinds) == 1


def _unify_study_time(folder: Path) -> None:
    """Replace links by copies with one study time: dcm2niix separates slices whose times differ.

    GDCM (SimpleITK, ITK) stamps each slice with the time at which it was written.
    """
    time = None
    with quiet_pydicom() as pydicom:
        for path in sorted(folder.iterdir()):
            dataset = pydicom.dcmread(path)
            time = time or (dataset.get("StudyDate"), dataset.get("StudyTime"))
            dataset.StudyDate, dataset.StudyTime = time
            path.unlink()
            dataset.save_as(path)


def _run(command: list[str], case: str, name: str, series: Series, secrets: Iterable[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S,
                              check=False)
    except subprocess.TimeoutExpired as error:
        raise CaseError(case, f"dcm2niix did not finish {series.label} ({name}) in {_TIMEOUT_S} s: "
                        "export the series again") from error
    text = redact(" ".join(f"{done.stdout} {done.stderr}".split()), secrets)
    if done.returncode:
        raise CaseError(case, f"dcm2niix cannot convert {series.label} ({name}), exit status {done.returncode}: "
                        f"export the series again; output of dcm2niix: {text[-300:]}")
    return text


def _write_geometry_only(path: Path, output: Path) -> None:
    """Copy voxels and geometry, without the texts of the header and its extensions (dates, comments)."""
    import nibabel as nib

    image = nib.load(path)
    data, slope, inter = image.dataobj.get_unscaled(), image.dataobj.slope, image.dataobj.inter
    plain = nib.Nifti1Image(data if (slope, inter) == (1.0, 0.0) else data * slope + inter, image.affine)
    plain.set_sform(image.affine, code=1)
    plain.set_qform(image.affine, code=1)
    plain.header.set_xyzt_units("mm")
    with atomic(output) as temporary:
        nib.save(plain, temporary)
