"""Strata."""

import pytest
from report_rows import SETTINGS, make_row, make_score

from nnunet_tv.metrics.scores import LesionScore
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import clopper_pearson
from nnunet_tv.reporting.tables.strata import make_strata, stratum_table, thirds
from nnunet_tv.utils.errors import NnunetTVError


def test_thirds():
    values = {name: float(value) for name, value in zip("abcdefg", (7, 1, 2, 6, 3, 4, 5), strict=True)}
    found = thirds(values, digits=0)
    assert {name for name in found if found[name] == "1: up to 3"} == set("bce")  # 1, 2, 3
    assert {name for name in found if found[name] == "2: 4 to 5"} == set("fg")
    assert {name for name in found if found[name] == "3: 6 and more"} == set("ad")
    assert thirds({}) == {} and set(thirds({"a": 1.0, "b": 1.0}).values()) == {"1: up to 1.0"}


def scores():
    return {f"sub-{i}": make_score(tp=i, fn=1) for i in range(1, 7)} | {"sub-7": make_score()}


def test_levels_of_size_side_and_columns():
    table = {f"sub-{i}": {"lobe": "FL" if i % 2 else "TL", "age": str(i), "hemisphere": "not given"}
             for i in range(1, 7)}
    table["sub-2"]["hemisphere"] = "R"
    strata = make_strata(["size", "lobe", "age", "hemisphere", "lobe"], scores(), participants=table)
    assert list(strata) == ["size", "lobe", "age", "hemisphere"]
    assert strata["size"]["sub-1"] == "1: up to 3 mm³" and strata["size"]["sub-7"] == "no lesion"
    assert strata["lobe"]["sub-7"] == "not given" and strata["lobe"]["sub-1"] == "FL"
    assert strata["hemisphere"] | {"sub-2": "L"} == {**dict.fromkeys(scores(), "L"), "sub-7": "no lesion"}
    assert strata["hemisphere"]["sub-2"] == "R"
    assert strata["age"]["sub-3"] == "3"  # six values are few enough to be levels
    many = {f"s{i}": {"age": str(i)} for i in range(9)}
    ages = make_strata(["age"], {case: make_score(tp=1) for case in many}, participants=many)["age"]
    assert set(ages.values()) == {"1: up to 2", "2: 3 to 5", "3: 6 and more"}


def test_side_of_several_lesions_is_weighted_by_volume():
    def lesion(x, volume):
        return LesionScore(1, 1, volume, (x, 0.0, 0.0), 1, {"any": True})

    right = make_score(tp=2, lesions=[lesion(-20.0, 10.0), lesion(30.0, 100.0)])
    assert make_strata(["hemisphere"], {"a": right}) == {"hemisphere": {"a": "R"}}


def test_contrast_and_unknown_names():
    found = make_strata(["contrast"], scores(), contrast={"sub-1": 0.1, "sub-2": 0.5, "sub-3": 2.0})["contrast"]
    assert found["sub-1"] == "1: up to 0.10" and found["sub-3"] == "3: 2.00 and more"
    assert found["sub-4"] == "not given" and found["sub-7"] == "no lesion"
    with pytest.raises(NnunetTVError, match="stratum contrast: the contrast of a lesion is measured on the scans"):
        make_strata(["contrast"], scores())
    with pytest.raises(NnunetTVError, match=r"stratum 'lope': neither a column .* \(lobe\) nor one of size, contrast"):
        make_strata(["lope"], scores(), participants={"sub-1": {"lobe": "FL"}})
    with pytest.raises(NnunetTVError, match=r"stratum 'lobe': .* \(none for these cases\)"):
        make_strata(["lobe"], scores(), participants={})  # a table of other subjects


def test_strata_table_counts_and_calls_small_cells_descriptive():
    rows = [make_row(f"s{i}", tp=5 if i < 9 else 0, fn=5) for i in range(15)]
    levels = {f"s{i}": "FL" if i < 12 else "TL" for i in range(15)}
    table = stratum_table(gather(rows), "lobe", levels, settings=SETTINGS)
    assert table.key == "strata-lobe"
    frontal, temporal = table.rows
    assert frontal[:4] == ("FL", "A", "raw", 12) and frontal[4] == clopper_pearson(9, 12) and frontal[-1] == ""
    assert temporal[:4] == ("TL", "A", "raw", 3) and temporal[4] == clopper_pearson(0, 3)
    assert temporal[-1] == "descriptive" and "† Fewer than 10 subjects: descriptive only." in table.all_notes()
