"""Clusters of a patient: sizes, places, sides and order, computed by hand."""

import numpy as np
import pytest
from native_cases import LEFT_LESION, RIGHT_LESION, csv_rows, patient, scan_grid

from nnunet_tv.brain.sides import side_of
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference.clusters import Cluster, describe_clusters, focus_mm, size_text, write_clusters
from nnunet_tv.inference.native import mask_to_native


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "PSR"])
def test_sides_and_places_do_not_depend_on_the_storage(codes):
    t1 = scan_grid(codes, oblique_deg=(4, 12, -8) if codes == "LPS" else (0, 0, 0))
    someone = patient(t1=t1, lesions=(LEFT_LESION, RIGHT_LESION))
    mask, to_t1 = someone.masks["T1w"], someone.record.to_grid("T1w").inverse()
    # the right one has the higher probability
    probability = np.where(t1.points()[..., 0] > to_t1.apply(np.zeros(3))[0], 0.9, 0.7).astype(np.float32)
    clusters, labels = describe_clusters(mask, someone.record, probability=Volume(probability, mask.affine))
    assert [cluster.side for cluster in clusters] == ["right", "left"]
    for cluster, truth, p in zip(clusters, (RIGHT_LESION, LEFT_LESION), (0.9, 0.7), strict=True):
        assert (cluster.mni_x_mm, cluster.mni_y_mm, cluster.mni_z_mm) == pytest.approx(truth, abs=0.6)
        assert cluster.mean_probability == cluster.peak_probability == pytest.approx(p)
        assert cluster.native_mm == pytest.approx(to_t1.apply(np.array(truth)), abs=0.6)
        assert cluster.voxels == (labels.data == cluster.rank).sum()
        assert cluster.volume_mm3 == pytest.approx(cluster.voxels * 27)
        # a ball of 12 mm in the template, which is 1.04 times larger than the head
        assert cluster.volume_mm3 == pytest.approx(4 / 3 * np.pi * 12**3 / 1.04**3, rel=0.05)
    assert clusters[1].lobe == "frontal" and clusters[0].lobe != "unknown"
    assert (labels.data > 0).sum() == mask.data.sum()


def test_order_is_peak_then_mean_then_volume():
    someone = patient(registration="none")
    grid = someone.record.grid
    data, probability = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.float32)
    for x, size, low, high in ((2, 3, 0.6, 0.6), (12, 2, 0.3, 0.7), (22, 2, 0.6, 0.6), (32, 2, 0.7, 0.7)):
        data[x:x + size, :2, :2] = 1
        probability[x:x + size, :2, :2] = np.linspace(low, high, size)[:, None, None]
    volume = Volume(data, grid.affine)
    clusters, labels = describe_clusters(volume, someone.record, probability=Volume(probability, grid.affine),
                                         deviation=Volume(probability / 10, grid.affine))
    assert [int(np.argwhere(labels.data == rank)[0, 0]) for rank in (1, 2, 3, 4)] == [32, 12, 2, 22]
    assert clusters[0].mean_deviation == pytest.approx(0.07) and clusters[1].peak_probability == pytest.approx(0.7)
    # without probabilities: the largest first
    clusters, _ = describe_clusters(volume, someone.record)
    assert clusters[0].voxels == 12 and clusters[0].mean_probability is None and clusters[0].mean_deviation is None


def test_cluster_that_falls_apart_on_the_scan_stays_one():
    someone = patient(registration="t1", t1=scan_grid(spacing_mm=(3, 3, 3)))
    grid = someone.record.grid
    prepared, native = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    prepared[10:30, 20, 20], prepared[40:43, 20, 20] = 1, 1
    native[10:16, 20:22, 20], native[24:30, 20, 20], native[41, 20, 20] = 1, 1, 1  # the middle of the first is lost
    mask, before = Volume(native, grid.affine), Volume(prepared, grid.affine)
    assert [cluster.voxels for cluster in describe_clusters(mask, someone.record)[0]] == [12, 6, 1]
    clusters, labels = describe_clusters(mask, someone.record, prepared=before)
    assert [cluster.voxels for cluster in clusters] == [18, 1] and (labels.data > 0).sum() == 19
    focus = np.rint(grid.to_indices(focus_mm(labels, clusters[0]))).astype(int).tolist()
    assert focus in ([15, 20, 20], [15, 21, 20])  # the centroid is near x = 17


def test_clusters_without_a_voxel_on_the_scan_are_listed_last_with_their_own_volume():
    someone = patient(registration="mni", t1=scan_grid(spacing_mm=(3, 3, 9)))
    grid = someone.record.grid
    prepared = np.zeros(grid.shape, np.uint8)
    prepared[20:22, 40, 40], prepared[40:43, 40:43, 40:43] = 1, 1  # 54 mm³ on the left, 729 mm³ on the right
    mask = mask_to_native(Volume(prepared, grid.affine), someone.record, "T1w")
    probability = Volume(np.where(mask.grid.points()[..., 0] < 0, 0.9, 0.6).astype(np.float32), mask.affine)
    clusters, labels = describe_clusters(mask, someone.record, prepared=Volume(prepared, grid.affine),
                                         probability=probability)
    assert [(cluster.rank, cluster.side, cluster.voxels > 0) for cluster in clusters] == [
        (1, "right", True), (2, "left", False)]
    assert clusters[1].volume_mm3 == pytest.approx(2 * 27 / 1.04**3, abs=0.01)
    assert clusters[1].mean_probability == pytest.approx(0.9)
    assert (clusters[1].mni_x_mm, clusters[1].mni_y_mm) == pytest.approx((-90 + 3 * 20.5, -126 + 120), abs=0.1)
    assert set(np.unique(labels.data)) == {0, 1} and np.allclose(focus_mm(labels, clusters[1]), clusters[1].native_mm)


def test_what_lies_outside_the_brain_or_at_the_border_of_a_scan_is_remarked():
    someone = patient(registration="mni", flair=scan_grid(size_mm=120.0))
    t1, grid = someone.record.sources["T1w"], someone.record.grid
    brain = Volume((grid.points()[..., 0] < 20).astype(np.uint8), grid.affine)  # x > 20 mm is outside of it
    to_t1 = someone.record.to_grid("T1w").inverse()
    data = np.zeros(t1.shape, np.uint8)
    for place in ((-20, 0, 10), (40, 0, 10), (-40, 60, 10)):
        x, y, z = np.rint(t1.to_indices(to_t1.apply(np.array(place, float)))).astype(int)
        data[x - 1:x + 2, y - 1:y + 2, z - 1:z + 2] = 1
    clusters, _ = describe_clusters(Volume(data, t1.affine), someone.record, brain=brain)
    remarks = {round(cluster.mni_x_mm / 20): cluster.remarks for cluster in clusters}
    assert remarks == {-1: "", 2: "outside the brain", -2: "at the border of the FLAIR"}
    assert {cluster.remarks for cluster in describe_clusters(Volume(data, t1.affine), someone.record)[0]} == {
        "", "at the border of the FLAIR"}


def test_no_coordinate_is_negative_zero():
    someone = patient(registration="none", t1=scan_grid(spacing_mm=(2, 2, 2), size_mm=82))
    data = np.zeros(someone.record.grid.shape, np.uint8)
    data[20:21, 20:21, 20:21] = 1
    affine = someone.record.grid.affine - np.array([[0, 0, 0, 1e-9]] * 3 + [[0] * 4])
    cluster, = describe_clusters(Volume(data, affine), someone.record)[0]
    assert str((cluster.native_x_mm, cluster.native_y_mm, cluster.native_z_mm)) == "(0.0, 0.0, 0.0)"


def test_size_in_words():
    assert [size_text(mm3) for mm3 in (0.4, 52.4, 999, 1000, 99_940, 1_150_000)] == [
        "less than 1 mm³", "52 mm³", "999 mm³", "1.0 ml", "99.9 ml", "1150 ml"]


def test_side_needs_three_quarters():
    for left, side in ((75, "left"), (25, "right"), (74, "midline"), (26, "midline")):
        assert side_of(np.array([[-5.0, 0, 0]] * left + [[5.0, 0, 0]] * (100 - left))) == side
    assert side_of(np.array([[-45.0, 0, 0]] * 60 + [[45.0, 0, 0]] * 40)) == "both sides"


@pytest.mark.parametrize("registration", ["none", "t1", "mni"])
def test_table_has_no_side_without_the_template(tmp_path, registration):
    someone = patient(registration=registration)
    clusters, _ = describe_clusters(someone.masks["T1w"], someone.record)
    write_clusters(clusters, tmp_path / "clusters.csv")
    row, = csv_rows(tmp_path / "clusters.csv")
    assert list(row)[:3] == ["rank", "volume_mm3", "voxels"] and row["mean_probability"] == ""
    if registration == "mni":
        assert row["side"] == "left"
    else:
        assert (row["side"], row["region"], row["lobe"], row["mni_x_mm"]) == ("unknown", "unknown", "unknown", "")
    assert float(row["native_x_mm"]) == clusters[0].native_x_mm
    write_clusters([], tmp_path / "clusters.csv")
    assert (tmp_path / "clusters.csv").read_text() == ",".join([*Cluster.__dataclass_fields__, "model_warning"]) + "\n"
