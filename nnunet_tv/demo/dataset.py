"""A data set of phantoms in the exact layout of OpenNeuro ds004199."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nnunet_tv.demo import sidecars
from nnunet_tv.demo.cohort import check_counts, claim, each_member, plain
from nnunet_tv.demo.phantom import PROTOCOLS, Phantom, Protocol, Settings, make_phantom
from nnunet_tv.imaging.volume import write_volume
from nnunet_tv.utils.files import atomic, remove_partial, write_json, write_text

#: Acquisition label of the one mask not named as its FLAIR is, as for sub-00048 of the public data set.
ODD_ROI = "32ch10"
_TRUTH = Path("derivatives", "phantom")
_VERSION = 1


@dataclass(frozen=True)
class Member:
    """What is decided about a subject before it is made."""

    case: str
    number: int
    patient: bool
    test: bool
    protocol: Protocol
    odd_roi: bool


def make_dataset(folder: str | Path, *, patients: int, controls: int, seed: int = 0, test: int | None = None,
                 settings: Settings | None = None, progress: bool = True) -> list[str]:
    """Write a data set of phantoms; a second call completes it.

    Parameters
    ----------
    folder : Path
        Created if needed. Everything is written under temporary names and moved into place.
    patients, controls : int
        Numbers of subjects with and without a lesion. Identifiers are mixed, as in the public data set.
    seed : int
        Subject k depends on (seed, k) only: the same call gives the same bytes.
    test : int, optional
        Patients whose ``split`` is ``test``; a third by default, as published (28 of 85). Controls are
        ``train``.
    settings : Settings, optional
        What the phantoms are like; the demo's by default.
    progress : bool
        Show a progress bar.

    Returns
    -------
    list of str
        Case identifiers in order.

    Raises
    ------
    NnunetTVError
        No patient; more test patients than patients; `folder` holds something else, or phantoms made with
        other settings.
    """
    folder, settings = Path(folder), settings or Settings()
    test = round(patients * 28 / 85) if test is None else test
    check_counts(patients, controls, test)
    asked = {"version": _VERSION, "patients": patients, "controls": controls, "seed": seed, "test": test,
             "settings": plain(asdict(settings))}
    claim(folder, _TRUTH, asked)
    members = plan_members(patients=patients, controls=controls, seed=seed, test=test)
    records = each_member(folder, _TRUTH, members, lambda member: _make_member(folder, member, seed, settings),
                          progress=progress)
    rows = [record["participant"] for record in records]
    _write_tables(folder, rows)
    return [member.case for member in members]


def plan_members(*, patients: int, controls: int, seed: int, test: int) -> list[Member]:
    """Who is a patient, who is tested and how each is scanned; every protocol is met early.

    The first patient with a T2sel FLAIR gets the mask with the odd name.
    """
    rng = np.random.default_rng([seed, 0])
    total = patients + controls
    is_patient = np.zeros(total, bool)
    is_patient[rng.permutation(total)[:patients]] = True
    tested = set(rng.permutation(np.flatnonzero(is_patient))[:test].tolist())
    protocols = list(PROTOCOLS)
    members, odd_done, seen = [], False, 0
    for index in range(total):
        drawn = protocols[rng.choice(len(protocols), p=list(PROTOCOLS.values()))]
        if is_patient[index]:
            drawn = protocols[seen] if seen < len(protocols) else drawn
            seen += 1
        odd = bool(is_patient[index]) and not odd_done and drawn.flair == "T2sel"
        odd_done |= odd
        members.append(Member(case=f"sub-{index + 1:05d}", number=index + 1, patient=bool(is_patient[index]),
                              test=index in tested, protocol=drawn, odd_roi=odd))
    return members


def _make_member(folder: Path, member: Member, seed: int, settings: Settings) -> dict:
    """Write one subject's files; return its record, which is written last and marks it as complete."""
    rng = np.random.default_rng([seed, member.number])
    phantom = make_phantom(rng, patient=member.patient, settings=settings, protocol=member.protocol,
                           roi_on_own_grid=member.odd_roi)
    anat = folder / member.case / "anat"
    remove_partial(anat)
    for path, image in _images(anat, member, phantom):
        write_volume(image, path)
    for suffix, acquisition, image in (("T1w", member.protocol.t1, phantom.t1),
                                       ("FLAIR", member.protocol.flair, phantom.flair)):
        content = sidecars.sidecar(suffix, acquisition, image)
        write_json(content, anat / f"{member.case}_acq-{acquisition}_{suffix}.json")
    row = sidecars.participant(member.case, phantom, rng, split="test" if member.test else "train")
    return {"case": member.case, "participant": row, **phantom.truth()}


def _images(anat: Path, member: Member, phantom: Phantom) -> Iterable[tuple[Path, object]]:
    case, protocol = member.case, member.protocol
    yield anat / f"{case}_acq-{protocol.t1}_T1w.nii.gz", phantom.t1
    yield anat / f"{case}_acq-{protocol.flair}_FLAIR.nii.gz", phantom.flair
    if phantom.roi is not None:
        label = ODD_ROI if member.odd_roi else protocol.flair
        yield anat / f"{case}_acq-{label}_FLAIR_roi.nii.gz", phantom.roi


def _write_tables(folder: Path, rows: list[dict[str, str]]) -> None:
    # patients first, as published
    ordered = sorted(rows, key=lambda row: row["group"])
    with atomic(folder / "participants.tsv") as temporary:
        temporary.write_bytes(sidecars.participants_tsv(ordered))
    write_json(sidecars.participants_json(), folder / "participants.json")
    write_json(sidecars.description(), folder / "dataset_description.json")
    write_text(sidecars.README, folder / "README")
    write_text("*_roi.nii.gz\n", folder / ".bidsignore")
