"""T1w and FLAIR that are exchanged, from the voxels alone: phantoms, and real scans where a folder of them is named."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from output_folders import table
from registration_phantoms import best_affine, phantom

from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.volume import Volume, read_volume, write_volume
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.preparation import contrast
from nnunet_tv.preparation.chain import prepare_case
from nnunet_tv.preparation.contrast import contrast_flags, scan_white_to_grey, with_contrast_check
from nnunet_tv.preparation.prepare_folder import prepare_folder
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.registration.template import load_template

REAL_SCANS = "NNUNET_TV_REAL_SCANS"
SWAPPED = "T1w and FLAIR seem to be exchanged"


def standardised(scan: Volume) -> Volume:
    """The brain of phantom 1's T1w with mean 0 and deviation 1, and 0 around it."""
    inside = resample_mask(load_template().brain, scan.grid, world=best_affine(phantom(1))).data > 0
    values = scan.data[inside].astype(np.float32)
    data = np.zeros(scan.shape, np.float32)
    data[inside] = (values - values.mean()) / values.std()
    return Volume(data, scan.affine)


def test_an_exchanged_pair_is_flagged_by_its_voxels(tmp_path):
    """Names and headers do not distinguish the scans."""
    write_volume(phantom(1).t1, tmp_path / "in" / "p" / "a.nii.gz")
    write_volume(phantom(1).flair, tmp_path / "in" / "p" / "b.nii.gz")
    out, pairs = tmp_path / "out", tmp_path / "pairs.tsv"
    pairs.write_text("case\tt1\tflair\np\tp/b.nii.gz\tp/a.nii.gz\n")
    prepare_folder(tmp_path / "in", out, space="none", manual_pairs=read_manual_pairs(table=pairs))
    row = table(out / "preparation.tsv")["p"]
    assert row["status"] == "flagged" and SWAPPED in row["flags"] and row["notes"] == ""
    metrics = Provenance.read(out / "p.prep.json").metrics
    given = {scan: metrics[f"contrast {scan}_white_to_grey"] for scan in ("T1w", "FLAIR")}
    assert given["FLAIR"] > 1.3 and 0.8 < given["T1w"] < 1
    assert contrast_flags({"T1w": given["FLAIR"], "FLAIR": given["T1w"]}) == ()
    assert "contrast T1w white to grey" in (out / "qc.html").read_text()


def test_a_standardised_brain_without_skull():
    assert scan_white_to_grey(standardised(phantom(1).t1)) > 1.3


@pytest.mark.parametrize("t1, flair, flag", [
    (1.16, 0.91, None), (0.91, 1.16, SWAPPED), (1.02, 1.16, SWAPPED), (1.16, None, None), (None, 1.16, None),
    (0.91, None, "white matter darker than grey (ratio 0.91)"), (0.93, 0.91, "white matter darker than grey"),
    (1.0, 1.01, None), (0.98, 1.01, None), (0.98, 0.92, None), (None, None, None),
])
def test_flags(t1, flair, flag):
    known = {name: ratio for name, ratio in (("T1w", t1), ("FLAIR", flair)) if ratio is not None}
    flags = contrast_flags(known)
    assert len(flags) == (flag is not None) and all(flag in one for one in flags)


def noise(shape, spacing_mm: float) -> Volume:
    data = np.random.default_rng(0).random(shape).astype(np.float32)
    return Volume(data, np.diag([spacing_mm, spacing_mm, spacing_mm, 1]))


def test_what_is_no_head_costs_nothing(monkeypatch):
    def find(scan):
        raise AssertionError("searched for a brain")

    monkeypatch.setattr(contrast, "brain_on_scan", find)
    assert scan_white_to_grey(noise((16, 18, 20), 2)) is None
    assert scan_white_to_grey(noise((100, 9, 9), 2)) is None
    flat = noise((60, 60, 60), 3)
    assert scan_white_to_grey(Volume(np.full_like(flat.data, 7), flat.affine)) is None
    with pytest.raises(AssertionError):
        scan_white_to_grey(noise((60, 60, 20), 3))


@pytest.mark.parametrize("low, high", [(0, 0), (28, 32), (0, 60)])
def test_no_statement_without_a_plausible_brain(monkeypatch, low, high):
    """An empty mask, 389 ml, and 4286 ml."""
    def find(scan):
        z = scan.grid.points()[..., 2]
        inside = (np.linalg.norm(scan.grid.points() - 90, axis=-1) < 120) & (z >= 3 * low) & (z < 3 * high)
        return Volume(inside.astype(np.uint8), scan.affine)

    def pose(*_):
        raise AssertionError("placed the template")

    monkeypatch.setattr(contrast, "brain_on_scan", find)
    monkeypatch.setattr(contrast, "brain_pose", pose)
    assert scan_white_to_grey(noise((60, 60, 60), 3)) is None


@pytest.mark.parametrize("height, known", [(1.0, True), (0.5, False)])
def test_no_statement_about_a_slab(monkeypatch, height, known):
    """The template would have to be squeezed onto it. The brain is a ball around the template's origin."""
    head = noise((60, 60, 60), 3)
    head.affine[:3, 3] = -90
    monkeypatch.setattr(contrast, "brain_on_scan", lambda scan: Volume(
        (np.linalg.norm(scan.grid.points(), axis=-1) < 75).astype(np.uint8), scan.affine))
    monkeypatch.setattr(contrast, "correct_bias", lambda scan, mask: scan)
    monkeypatch.setattr(contrast, "brain_pose", lambda *_: np.diag([1.0, 1, height, 1]))
    assert (scan_white_to_grey(head) is not None) is known


def test_a_check_that_fails_is_a_note(tmp_path, monkeypatch):
    files = {}
    for name in ("T1w", "FLAIR"):
        files[name] = tmp_path / f"{name}.nii.gz"
        write_volume(noise((60, 60, 60), 3), files[name])
    prepared = prepare_case("p", files)
    assert "metrics" not in prepared.record.details  # the converter, which knows the channels, does not check

    def fail(scan):
        raise RuntimeError(tmp_path / "name-of-a-patient")

    monkeypatch.setattr(contrast, "brain_on_scan", fail)
    done = with_contrast_check(prepared)
    assert done.flags == () and "metrics" not in done.record.details
    assert done.notes == ("whether T1w and FLAIR are exchanged could not be checked (RuntimeError)",)
    monkeypatch.setattr(contrast, "scan_white_to_grey", lambda scan: None)
    assert with_contrast_check(replace(prepared, notes=("a",))) == replace(prepared, notes=("a",))


@pytest.mark.slow
@pytest.mark.skipif(REAL_SCANS not in os.environ, reason=f"{REAL_SCANS} names no folder of sessions")
def test_real_scans():
    """A folder for each session, with ``T1W.nii.gz`` and ``FLAIR.nii.gz``."""
    sessions = sorted(path.parent for path in Path(os.environ[REAL_SCANS]).glob("*/T1W.nii.gz"))
    assert sessions
    for session in sessions:
        t1, flair = (scan_white_to_grey(read_volume(session / f"{name}.nii.gz", case=session.name))
                     for name in ("T1W", "FLAIR"))
        print(f"{session.name}: T1w {t1:.2f}, FLAIR {flair:.2f}")
        assert t1 > 1.1 and flair < 0.97, session
        assert contrast_flags({"T1w": t1, "FLAIR": flair}) == ()
        assert SWAPPED in contrast_flags({"T1w": flair, "FLAIR": t1})[0]
