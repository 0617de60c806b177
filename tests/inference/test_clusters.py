"""Clusters of a patient: sizes, places, sides and order, computed by hand."""

import numpy as np
import pytest
from native_cases import LEFT_LESION, RIGHT_LESION, csv_rows, patient, scan_grid

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference.clusters import Cluster, describe_clusters, focus_mm, side_of, write_clusters


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


def test_order_is_mean_then_peak_then_volume():
    someone = patient(registration="none")
    grid = someone.record.grid
    data, probability = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.float32)
    for x, size, low, high in ((2, 3, 0.6, 0.6), (12, 2, 0.5, 0.7), (22, 2, 0.6, 0.6), (32, 2, 0.8, 0.8)):
        data[x:x + size, :2, :2] = 1
        probability[x:x + size, :2, :2] = np.linspace(low, high, size)[:, None, None]
    volume = Volume(data, grid.affine)
    clusters, labels = describe_clusters(volume, someone.record, probability=Volume(probability, grid.affine),
                                         deviation=Volume(probability / 10, grid.affine))
    assert [int(np.argwhere(labels.data == rank)[0, 0]) for rank in (1, 2, 3, 4)] == [32, 12, 2, 22]
    assert clusters[0].mean_deviation == pytest.approx(0.08) and clusters[1].peak_probability == pytest.approx(0.7)
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
    assert describe_clusters(Volume(0 * native, mask.affine), someone.record, prepared=before)[0] == []


def test_side_needs_three_quarters():
    for left, side in ((75, "left"), (25, "right"), (74, "midline"), (26, "midline")):
        assert side_of(np.array([[-5.0, 0, 0]] * left + [[5.0, 0, 0]] * (100 - left))) == side


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
