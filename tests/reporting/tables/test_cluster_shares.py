"""Pooled clusters and lesions, by hand."""

import pytest
from report_rows import make_row

from nnunet_tv.metrics.scores import HitCounts, LesionScore
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import clopper_pearson, cluster_share, pooled_share
from nnunet_tv.reporting.tables.cluster_shares import cluster_table
from nnunet_tv.reporting.tables.patients_controls import make_pairs


def row_of(case, true, false, found=1, lesions=1, **row):
    parts = tuple(LesionScore(index + 1, 5, 5.0, (0.0, 0.0, 0.0), 0, {"any": True}) for index in range(lesions))
    hits = {"any": HitCounts(found > 0 if lesions else None, false, true, found),
            "center": HitCounts(False if lesions else None, false + true, 0, 0)}
    return make_row(case, tp=5 if lesions else 0, lesions=parts, hits=hits, **row)


def test_clusters_and_lesions_are_pooled_over_subjects():
    groups = gather([row_of("a", 2, 1, found=2, lesions=3), row_of("b", 1, 5), row_of("c", 0, 0, found=0),
                     row_of("no lesion", 0, 4, found=0, lesions=0)])
    table = cluster_table(groups)
    assert [row[:5] + row[6:7] for row in table.rows] == [
        ("A", "raw", 1, "any (primary)", "3 of 13", "3 of 5"), ("A", "raw", 1, "center", "0 of 13", "0 of 5")]
    assert table.rows[0][5] == cluster_share([2, 1, 0, 0], [1, 5, 0, 4]) and table.rows[0][5].n == 3
    assert table.rows[0][7] == pooled_share([2, 1, 0, 0], [3, 1, 1, 0])
    assert table.rows[1][5] == cluster_share([0] * 4, [3, 6, 0, 4])


def test_one_lesion_a_subject_has_the_interval_of_ssens():
    groups = gather([row_of(f"s{number}", 1, 2, found=int(number < 14)) for number in range(17)])
    found, exact = cluster_table(groups).rows[0][-1], clopper_pearson(14, 17)
    assert (found.value, found.low, found.high) == pytest.approx((exact.value, exact.low, exact.high))


def test_counts_of_runs_are_summed_within_a_subject():
    rows = [row_of(f"s{number}", 1, run, run=run) for number in range(3) for run in range(4)]
    row = cluster_table(gather(rows)).rows[0]
    assert row[:5] == ("A", "raw", 4, "any (primary)", "12 of 30") and row[6] == "12 of 12"
    assert row[5] == cluster_share([4] * 3, [6] * 3, runs=4) and row[7].low == pytest.approx(clopper_pearson(3, 3).low)


def test_clusters_of_controls_are_added_in_columns_of_their_own():
    groups = gather([row_of("a", 1, 1), row_of("a", 1, 0, group="B"), row_of("no lesion", 0, 1, 0, 0)])
    controls = gather([row_of("c0", 0, 3, found=0, lesions=0), row_of("c1", 0, 0, found=0, lesions=0)])
    table = cluster_table(groups, make_pairs(groups, controls)[0])
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows if "primary" in row[3]}
    assert rows["A"]["True clusters"] == "1 of 3" and rows["A"]["True clusters, controls included"] == "1 of 6"
    assert rows["A"]["Cluster PPV, controls included"] == cluster_share([1, 0, 0, 0], [1, 1, 3, 0])
    assert rows["B"]["Cluster PPV, controls included"] == "–"
    assert len(cluster_table(groups).columns) == len(table.columns) - 2


def test_without_clusters_or_lesions_a_share_is_undefined():
    row = cluster_table(gather([row_of("a", 0, 0, found=0, lesions=0)])).rows[0]
    assert row[4:] == ("0 of 0", cluster_share([], []), "0 of 0", pooled_share([], []))
