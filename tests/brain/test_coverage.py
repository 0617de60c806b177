"""What a scan does not show: sides, lobes and volumes of gaps that are cut in the template's own space."""

from dataclasses import asdict

import numpy as np
import pytest
from native_cases import scan_grid, turned

from nnunet_tv.brain.coverage import Coverage, blank_voxels, find_coverage, missing_brain
from nnunet_tv.imaging.affine import MNI, T1, Affine
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template

#: A head that is turned, shifted and 0.9 times as large as the template.
TO_SCAN = Affine(turned((5, -8, 11), (4, -7, 6), scale=0.9), MNI, T1)
ML = 0.9**3 / 1000


def head(keep=None, *, grid=None, fill=0.0, air=False):
    """Noise wherever `keep`, a function of points in MNI mm, is true, `fill` elsewhere; `air`: 0 far from the brain."""
    grid = grid or scan_grid(spacing_mm=(2.0, 2.0, 2.0), size_mm=230.0)
    data = np.random.default_rng(0).normal(100, 5, grid.shape).astype(np.float32)
    points = TO_SCAN.inverse().apply(grid.points().astype(float))
    if keep:
        data[~keep(points)] = fill
    if air:
        data[np.linalg.norm((points - (0, -18, 5)) / (95, 115, 105), axis=-1) > 1] = 0
    return Volume(data, grid.affine)


def check(scan, to_scan=TO_SCAN) -> Coverage:
    found, = find_coverage({"T1w": missing_brain(scan, to_scan)}, {"T1w": to_scan})
    return found


def brain_ml(keep) -> float:
    """Volume of the template's brain where `keep` is false, in the patient."""
    points = TEMPLATE_GRID.to_mm(np.argwhere(load_template().brain.data))
    return float((~keep(points)).sum()) * ML


def not_the_left(points):
    return points[..., 0] > -45


def cut(scan, axis, first, last) -> Volume:
    part = tuple(slice(first, last) if one == axis else slice(None) for one in range(3))
    origin = [first if one == axis else 0 for one in range(3)]
    affine = scan.affine.copy()
    affine[:3, 3] = scan.grid.to_mm(np.array(origin, float))
    return Volume(np.ascontiguousarray(scan.data[part]), affine)


@pytest.mark.parametrize("air", [False, True])
def test_a_whole_head_misses_nothing(air):
    found = check(head(air=air))
    assert found.missing_ml == 0 and found.text == "" and not found.flagged and found.parts == ()


@pytest.mark.parametrize("fill", [0.0, -1024.0])
@pytest.mark.parametrize("codes", ["RAS", "LPS", "PSR", "LAS"])
def test_a_blank_slab_of_the_left_is_on_the_left_whatever_the_storage(codes, fill):
    grid = scan_grid(codes, (2.0, 2.0, 2.5), 230.0, oblique_deg=(0, 0, 14) if codes == "LAS" else (0, 0, 0))
    found = check(head(not_the_left, grid=grid, fill=fill))
    assert found.missing_ml == pytest.approx(brain_ml(not_the_left), rel=0.05) and found.missing_ml > 70
    assert found.sides == ("left",) and found.flagged
    assert {part.lobe for part in found.parts[:3]} == {"frontal", "temporal", "parietal"}
    assert "the T1w does not show" in found.text and "left temporal lobe (" in found.text and "right" not in found.text
    mirrored = check(head(lambda points: not_the_left(points * (-1, 1, 1)), grid=grid, fill=fill))
    assert mirrored.sides == ("right",) and "left" not in mirrored.text


@pytest.mark.parametrize("codes", ["RAS", "LPS"])
def test_outside_of_the_grid_is_missing_too(codes):
    scan = head(grid=scan_grid(codes, (2.0, 2.0, 2.0), 230.0, oblique_deg=(5, -8, 11),
                               centre_mm=TO_SCAN.apply(np.zeros(3))))  # its first axis is the head's
    at = round(scan.grid.to_indices(TO_SCAN.apply(np.array([-45.0, 0, 0])))[0])
    scan = cut(scan, 0, at, scan.shape[0]) if codes == "RAS" else cut(scan, 0, 0, at)
    found = check(scan)
    assert found.sides == ("left",) and found.missing_ml == pytest.approx(brain_ml(not_the_left), rel=0.1)
    # blank slices in place of the missing ones are the same
    padded = Volume(np.pad(scan.data, ((30, 30), (0, 0), (0, 0))),
                    scan.affine @ np.array([[1, 0, 0, -30], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    assert check(padded) == found


@pytest.mark.parametrize("codes", ["RAS", "LPS"])
def test_fine_scans_and_coarse_ones_agree(codes):
    fine, coarse = (check(head(not_the_left, grid=scan_grid(codes, (size, 2.0, 2.0), 230.0))) for size in (0.45, 2.0))
    assert fine.missing_ml == pytest.approx(coarse.missing_ml, rel=0.03) and fine.sides == ("left",)
    assert check(head(grid=scan_grid(codes, (0.45, 2.0, 2.0), 230.0))).missing_ml == 0


@pytest.mark.parametrize(("depth_mm", "stated", "flagged"), [(2, False, False), (5.5, True, False), (10, True, True)])
def test_a_cap_of_the_vertex_is_flagged_if_it_is_deeper_than_errors_of_the_registration(depth_mm, stated, flagged):
    upright = Affine(np.diag([0.9, 0.9, 0.9, 1]), MNI, T1)
    top = (82 - depth_mm) * 0.9
    grid = Grid((110, 110, 160), np.array([[2.0, 0, 0, -110], [0, 2, 0, -120], [0, 0, 1, top - 159.5], [0, 0, 0, 1]]))
    found = check(Volume(np.random.default_rng(1).random(grid.shape), grid.affine), upright)
    assert (found.stated, found.flagged) == (stated, flagged)
    assert not stated or {part.lobe for part in found.parts if part.ml > 0.5} == {"frontal", "parietal"}
    assert not flagged or found.sides == ("left", "right")


def test_below_the_tentorium_little_is_a_note_and_much_a_flag():
    little, much = (check(head(lambda points, z=z: points[..., 2] > z)) for z in (-57, -42))
    assert little.stated and not little.flagged
    assert {part.lobe for part in little.parts if part.ml > 0.5} == {"cerebellum", "brain stem"}
    assert "left cerebellum (" in little.text and ", brain stem (" in little.text
    assert much.flagged and much.missing_ml > 40


def test_voids_within_the_head_and_a_removed_face_are_not_missing():
    def keep(points):
        sinus = np.linalg.norm(points - (0, 62, -2), axis=-1) < 14
        deep = np.linalg.norm(points - (30, -40, 20), axis=-1) < 9
        face = (points[..., 1] > 25) & (points[..., 2] < -40) & (np.abs(points[..., 0]) < 25)
        return ~(sinus | deep | face)

    assert check(head(keep)).missing_ml < 0.5


def test_a_slice_that_was_lost_in_the_middle_is_missing():
    grid = scan_grid(spacing_mm=(1.5, 1.5, 6.0), size_mm=230.0)
    scan = head(grid=grid)
    at = int(scan.grid.to_indices(TO_SCAN.apply(np.array([0.0, -20, 30])))[2])
    scan.data[:, :, at] = 0
    found = check(scan)
    assert found.flagged and found.missing_ml == pytest.approx(6 * np.pi * 60 * 75 / 1000, rel=0.3)


def test_an_extracted_brain_of_another_shape_misses_nothing_but_a_lobe_that_was_cut():
    brain = load_template().brain

    def within(points):
        """The template's brain, smaller by a tenth of its width."""
        indices = np.rint(TEMPLATE_GRID.to_indices(points / (0.92, 0.96, 0.96))).astype(int)
        inside = ((indices >= 0) & (indices < brain.shape)).all(axis=-1)
        return inside & (brain.data[tuple(np.moveaxis(indices.clip(0, np.array(brain.shape) - 1), -1, 0))] > 0)

    assert check(head(within)).missing_ml < 2
    found = check(head(lambda points: within(points) & (points[..., 1] > -70)))
    assert found.flagged and found.sides == ("left", "right") and found.parts[0].lobe in ("occipital", "cerebellum")


def test_the_record_keeps_it():
    found = check(head(not_the_left))
    assert Coverage.read(asdict(found)) == found


def test_places_of_a_flagged_registration_are_doubtful():
    scans = {"T1w": head(not_the_left), "FLAIR": head(not_the_left)}
    t1, flair = find_coverage({name: missing_brain(scan, TO_SCAN) for name, scan in scans.items()},
                              dict.fromkeys(scans, TO_SCAN), doubtful=["FLAIR"])
    assert "may be wrong" in flair.text and "may be wrong" not in t1.text and t1.missing_ml == flair.missing_ml


def test_blank_is_of_one_value_up_to_the_border():
    data = np.random.default_rng(0).integers(0, 50, (20, 20, 20)).astype(np.int16)
    data[:, :, 0] = 7
    data[5:9, 5:9, 5:9] = 0
    data[15:, 15:, 15:] = 3
    blank = blank_voxels(Volume(data, np.eye(4)))
    assert blank[:, :, 0].all() and blank[15:, 15:, 15:].all() and not blank[5:9, 5:9, 5:9].any()
    assert blank.sum() == 400 + 125 and not blank_voxels(Volume(data[:, :, 1:15], np.eye(4)))[:, :, 1:].any()
    assert blank_voxels(Volume(np.zeros((4, 4, 4)), np.eye(4))).all()
