"""A data set of phantoms in the layout of OpenNeuro ds004199."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_tv.conversion.description import DESCRIPTION
from nnunet_tv.demo import sidecars
from nnunet_tv.demo.phantom import PROTOCOLS, PhantomOptions, Protocol, draw_protocol, make_phantom
from nnunet_tv.imaging.volume import write_volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import atomic, read_json, remove_partial, write_json, write_text

#: Acquisition label of the one mask not named after its FLAIR, as for sub-00048 of the public data set.
ODD_ROI = "32ch10"
TRUTH = Path("derivatives", "phantom")
_VERSION = 2


@dataclass(frozen=True)
class Member:
    """A subject to be made."""

    case: str
    number: int
    patient: bool
    test: bool
    protocol: Protocol
    odd_roi: bool


def make_dataset(folder: str | Path, *, patients: int, controls: int, seed: int = 0, test: int | None = None,
                 options: PhantomOptions | None = None, progress: bool = True) -> list[str]:
    """Write a data set of phantoms and return its case identifiers; a second call completes an interrupted one.

    Parameters
    ----------
    folder : Path
        Created if needed.
    patients, controls, test : int
        Numbers of subjects with a lesion, of those without, and of the patients whose ``split`` is ``test``: a third
        by default, as published (28 of 85). Identifiers are mixed, as in the public data set.
    seed : int
        Subject k depends on (seed, k) only: the same call gives identical files.
    options : PhantomOptions, optional
        Those of the demo by default.
    progress : bool
        Show a progress bar.

    Raises
    ------
    NnunetTVError
        No patient; more test patients than patients; `folder` holds something else, or other phantoms.
    """
    folder, options = Path(folder), options or PhantomOptions()
    test = round(patients * 28 / 85) if test is None else test
    if patients < 1 or controls < 0 or not 0 <= test <= patients:
        raise NnunetTVError("expected at least one patient, no negative number and at most as many test patients "
                            f"as patients, found patients={patients}, controls={controls}, test={test}")
    settings = {"version": _VERSION, "patients": patients, "controls": controls, "seed": seed, "test": test,
                "settings": asdict(options)}
    _claim(folder, json.loads(json.dumps(settings)))
    write_json(sidecars.DESCRIPTION, folder / DESCRIPTION)  # first: it is what marks the scans as synthetic
    rows = []
    members = plan_members(patients=patients, controls=controls, seed=seed, test=test)
    for member in tqdm(members, desc="phantoms", disable=not progress):
        record = folder / TRUTH / f"{member.case}.json"
        if not record.exists():  # written last: the subject is complete
            write_json(_make_member(folder, member, seed, options), record)
        rows.append(read_json(record)["participant"])
    with atomic(folder / "participants.tsv") as temporary:  # patients first, as published
        temporary.write_bytes(sidecars.participants_tsv(sorted(rows, key=lambda row: row["group"])))
    write_json(sidecars.PARTICIPANTS, folder / "participants.json")
    write_text(sidecars.README, folder / "README")
    write_text("*_roi.nii.gz\n", folder / ".bidsignore")
    return [member.case for member in members]


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Record `settings` in a new folder; raise if the folder holds something else or phantoms of other settings."""
    marker = folder / TRUTH / "settings.json"
    if marker.exists():
        found = read_json(marker)
        different = ", ".join(f"{key}: {found.get(key)} there, {value} now"
                              for key, value in settings.items() if found.get(key) != value)
        if different:
            raise NnunetTVError(f"{folder}: holds phantoms made differently ({different}): "
                                "choose another folder or delete this one")
    elif folder.exists() and any(folder.iterdir()):
        raise NnunetTVError(f"{folder}: expected an empty or new folder, found {len(list(folder.iterdir()))} "
                            f"entries and no {marker.relative_to(folder)}: choose another folder")
    else:
        write_json(settings, marker)


def plan_members(*, patients: int, controls: int, seed: int, test: int) -> list[Member]:
    """Draw patients, test patients and protocols; the first patients cover all protocols.

    The first patient with a T2sel FLAIR gets the mask with the odd name.
    """
    rng = np.random.default_rng([seed, 0])
    is_patient = np.zeros(patients + controls, bool)
    is_patient[rng.permutation(len(is_patient))[:patients]] = True
    tested = set(rng.permutation(np.flatnonzero(is_patient))[:test].tolist())
    first, members, odd_done = iter(PROTOCOLS), [], False
    for index, patient in enumerate(is_patient.tolist()):
        protocol = draw_protocol(rng)
        if patient:
            protocol = next(first, protocol)
        odd = patient and not odd_done and protocol.flair == "T2sel"
        odd_done |= odd
        members.append(Member(f"sub-{index + 1:05d}", index + 1, patient, index in tested, protocol, odd))
    return members


def _make_member(folder: Path, member: Member, seed: int, options: PhantomOptions) -> dict[str, Any]:
    """Write one subject's files and return its record."""
    rng = np.random.default_rng([seed, member.number])
    case, protocol = member.case, member.protocol
    phantom = make_phantom(rng, patient=member.patient, options=options, protocol=protocol,
                           roi_on_own_grid=member.odd_roi)
    anat = folder / case / "anat"
    remove_partial(anat)
    for suffix, acquisition, scan in (("T1w", protocol.t1, phantom.t1), ("FLAIR", protocol.flair, phantom.flair)):
        stem = f"{case}_acq-{acquisition}_{suffix}"
        write_volume(scan, anat / f"{stem}.nii.gz")
        write_json(sidecars.sidecar(suffix, acquisition, scan), anat / f"{stem}.json")
    if phantom.roi is not None:
        label = ODD_ROI if member.odd_roi else protocol.flair
        write_volume(phantom.roi, anat / f"{case}_acq-{label}_FLAIR_roi.nii.gz")
    row = sidecars.participant(case, phantom, rng, split="test" if member.test else "train")
    return {"case": case, "participant": row, **phantom.truth()}
