"""Hit rules and lost lesions, by hand."""

from report_rows import make_row

from nnunet_tv.metrics.scores import HitCounts
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.tables import hit_rules
from nnunet_tv.scoring.rows import LostLesions


def test_hit_rules_side_by_side():
    def hits(any_hit, center):
        return {"any": HitCounts(any_hit, 1, int(any_hit), int(any_hit)),
                "center": HitCounts(center, 1 + (any_hit and not center), int(center), int(center))}

    rows = [make_row("a", tp=1, fn=9, hits=hits(True, True)), make_row("b", tp=1, fn=9, hits=hits(True, False))]
    table = hit_rules.rules_table(gather(rows))
    assert [row[2] for row in table.rows] == ["any (primary)", "center"]
    assert [row[3].value for row in table.rows] == [1.0, 0.5] and [row[4].value for row in table.rows] == [1.0, 1.5]
    assert [row[5] for row in table.rows] == ["2 of 2", "1 of 2"]


def test_lost_lesions():
    rows = [make_row("a", tp=5), make_row("b", tp=5), make_row("c", tp=5),
            make_row("a", stage="filtered", fn=5, lost=LostLesions(1, 1, 0)),
            make_row("b", stage="filtered", fn=5, lost=LostLesions(1, 0, 1)),
            make_row("c", stage="filtered", tp=5, lost=LostLesions(0, 0, 0)),
            make_row("a", group="B", tp=5), make_row("a", group="B", stage="filtered", fn=5,
                                                     lost=LostLesions(1, None, None))]
    assert hit_rules.lost_table(rows).rows == (("A", 3, 3, 2, 1, 1), ("B", 1, 1, 1, "not known", "not known"))
    assert hit_rules.lost_table(rows[:3]).rows == ()
