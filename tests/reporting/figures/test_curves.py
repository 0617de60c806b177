"""Detection against lesion size by hand; figures as files."""

import matplotlib.image
from report_rows import make_candidates, make_row

from nnunet_tv.metrics.registry import DETECTED
from nnunet_tv.reporting.figures import curves
from nnunet_tv.reporting.figures.curve_drawing import draw_froc, draw_precision_recall, draw_size
from nnunet_tv.reporting.figures.froc import froc
from nnunet_tv.reporting.figures.precision_recall import precision_recall
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import clopper_pearson

VOXELS = make_candidates("a", (), (), inside=(1, 1, 2), outside=(6, 2, 0))


def test_detection_by_size():
    rows = [make_row(f"s{i:02}", tp=i, fn=5) if i >= 6 else make_row(f"s{i:02}", fn=i + 1) for i in range(11)]
    parts = curves.detection_by_size(gather([*rows, make_row("healthy")])[0])
    assert [(part.low_mm3, part.high_mm3) for part in parts] == [(1, 6), (11, 15)]
    assert [part.share for part in parts] == [clopper_pearson(0, 6), clopper_pearson(5, 5)]
    assert curves.detection_by_size(gather([make_row("healthy")])[0]) == []
    # One part is all subjects: the interval of the other tables, whatever the order of sizes.
    runs = [make_row(f"s{i}", run=run, tp=int(i + run > 4), fn=20 - i) for i in range(7) for run in range(2)]
    whole = gather(runs)[0]
    assert curves.detection_by_size(whole)[0].share == whole.interval(DETECTED)
    table = curves.size_table(gather(rows))
    assert [row[2:4] for row in table.rows] == [(1.0, 6.0), (11.0, 15.0)] and "†" in table.texts()[0][4]


def test_figures_are_identical_for_the_same_data(tmp_path):
    found = [make_candidates("a", (0.9, 0.6), (True, False)), make_candidates("b", (0.8, 0.5), (False, True))]
    curve, _ = froc(curves.by_case(found, "A"), "any", name="_a $ b",
                    marks=[("hard", 12.0, 0.7), ("filtered", 0.1, 0.6)])
    recall = precision_recall({"a": [VOXELS]})[0]
    sizes = {"A": curves.detection_by_size(gather([make_row(f"s{i}", tp=i, fn=5) for i in range(9)])[0])}
    for draw, data in ((draw_froc, [curve]), (draw_precision_recall, [recall]), (draw_size, sizes)):
        first, second = (draw(data, tmp_path / folder / "curve") for folder in ("one", "two"))
        assert [path.suffix for path in first] == [".png", ".svg"]
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
        assert matplotlib.image.imread(first[0]).std() > 0.05
