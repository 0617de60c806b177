"""What dataset.json states about the origin of the scans: the source's own words, and nothing from its layout."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from small_dataset import small_dataset

from nnunet_tv.cli.convert import main
from nnunet_tv.conversion.description import read_origin
from nnunet_tv.demo.sidecars import DESCRIPTION as PHANTOMS
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, write_json

PUBLISHED = read_json(Path(__file__).parents[1] / "data" / "ds004199" / "dataset_description.json")
DOI = "https://doi.org/10.18112/openneuro.ds004199.v1.0.6"
NONE = ("not stated", "not stated", "not stated", None)


def source(folder, description=None, *, reference=DOI):
    """Six patients in the layout of ds004199."""
    dataset = small_dataset(folder, shape=(3, 3, 3), spacing=1.0, lesion=(slice(1, 2),) * 3)
    if description is not None:
        write_json(description, folder / "dataset_description.json")
    return replace(dataset, name="OpenNeuro ds004199" if reference else "table.tsv: T1w, FLAIR", licence="CC0",
                   reference=reference)


def stated(origin):
    return origin.name, origin.licence, origin.reference, origin.synthetic


@pytest.mark.parametrize(("description", "expected"), [
    (PUBLISHED, (PUBLISHED["Name"], "CC0", DOI, False)),
    ({**PUBLISHED, "DatasetDOI": "10.18112/openneuro.ds004199.v1.0.5"},
     (PUBLISHED["Name"], "CC0", DOI.replace("1.0.6", "1.0.5"), False)),
    ({**PUBLISHED, "DatasetDOI": "doi:10.18112/openneuro.ds0041990.v1.0.6"},
     (PUBLISHED["Name"], "CC0", DOI.replace("4199", "41990"), None)),
    ({key: value for key, value in PUBLISHED.items() if key != "DatasetDOI"},
     (PUBLISHED["Name"], "CC0", "not stated", None)),
    (PHANTOMS, (PHANTOMS["Name"], "CC0", "not stated", True)),
    ({**PUBLISHED, "Synthetic": True}, (PUBLISHED["Name"], "CC0", DOI, True)),  # phantoms made from the patients
    ({"Name": "Phantoms", "Authors": ["nnunet-tv-demo"]}, ("Phantoms", "not stated", "not stated", True)),  # of 0.1.0
    ({"Name": "Derived", "GeneratedBy": [{"Name": "x"}, {"Name": "nnunet-tv-demo"}]}, ("Derived", *NONE[1:3], True)),
    ({"Name": "Clinic  A", "Synthetic": False, "HowToAcknowledge": "Please cite B."},
     ("Clinic A", "not stated", "Please cite B.", False)),
    ({"Name": 5, "License": None, "Authors": "one", "GeneratedBy": {"Name": "x"}, "DatasetDOI": ["a"]}, NONE),
    ({}, NONE), (None, NONE),
])
def test_the_sources_own_words(tmp_path, description, expected):
    origin = read_origin(source(tmp_path, description))
    assert stated(origin) == expected
    assert origin.descriptions == (() if description is None else (description,))
    remarks = " ".join(origin.remarks)
    assert ("does not cite" in remarks) == ("ds004199." not in expected[2])
    assert ("synthetic data: " in remarks) == (expected[3] is True)
    assert ('add "Synthetic": false or true' in remarks) == (expected[3] is None)


@pytest.mark.parametrize("text", ["{", "[]", '"Phantoms"', b"\xff\xfe", '{"Synthetic": "yes"}', '{"Synthetic": 1}',
                                  '{"Name": NaN}'])
def test_a_broken_description_ends_the_conversion_before_it_starts(tmp_path, text, capsys):
    folder = source(tmp_path / "scans").folder
    (folder / "dataset_description.json").write_bytes(text.encode() if isinstance(text, str) else text)
    rows = [f"case{number}\tcase{number}_T1w.nii.gz\tcase{number}_FLAIR.nii.gz\tcase{number}_roi.nii.gz"
            for number in range(6)]
    (folder / "table.tsv").write_text("\n".join(["case\tT1w\tFLAIR\tlabel", *rows]))
    assert main(["pairs", "-i", str(folder / "table.tsv"), "-o", str(tmp_path / "raw"), "--split", "seeded"]) == 1
    assert f"{folder / 'dataset_description.json'}: " in capsys.readouterr().err and not (tmp_path / "raw").exists()


def test_a_description_without_content(tmp_path):
    """As git-annex leaves it."""
    dataset = source(tmp_path)
    (tmp_path / "dataset_description.json").symlink_to(".git/annex/objects/x")
    with pytest.raises(NnunetTVError, match=r"dataset_description.json: expected JSON as in BIDS"):
        read_origin(dataset)


def test_a_byte_order_mark_does_not_matter(tmp_path):
    dataset = source(tmp_path)
    (tmp_path / "dataset_description.json").write_bytes(json.dumps(PHANTOMS).encode("utf-8-sig"))
    assert read_origin(dataset).synthetic is True


class TestTablesOfFiles:
    """Phantoms stay phantoms, from wherever a table names them."""

    def test_the_nearest_description_above_the_files(self, tmp_path):
        write_json(PUBLISHED, tmp_path / "dataset_description.json")
        dataset = source(tmp_path / "phantoms" / "derivatives" / "x", reference="")
        write_json(PHANTOMS, tmp_path / "phantoms" / "dataset_description.json")
        assert stated(read_origin(replace(dataset, folder=tmp_path / "elsewhere")))[::3] == (PHANTOMS["Name"], True)

    def test_without_a_description_the_table_is_named_and_nothing_else(self, tmp_path):
        origin = read_origin(source(tmp_path, reference=""))
        assert stated(origin) == ("table.tsv: T1w, FLAIR", *NONE[1:]) and not origin.descriptions

    @pytest.mark.parametrize(("second", "synthetic"), [
        (PHANTOMS, True), ({"Name": "B", "Synthetic": False}, False), ({"Name": "B"}, None), (None, None)])
    def test_files_of_two_data_sets(self, tmp_path, second, synthetic):
        first = source(tmp_path / "a", {"Name": "A", "Synthetic": False}, reference="")
        other = source(tmp_path / "b", second, reference="")
        origin = read_origin(replace(first, cases=(*first.cases, *other.cases)))
        assert stated(origin) == ("table.tsv: T1w, FLAIR", *NONE[1:3], synthetic)
        assert len(origin.descriptions) == 2 - (second is None)

    def test_links_to_phantoms(self, tmp_path):
        dataset = source(tmp_path / "phantoms", PHANTOMS, reference="")
        links = []
        for case in dataset.cases:
            paths = {name: tmp_path / "links" / path.name for name, path in case.channels.items()}
            for name, path in paths.items():
                path.parent.mkdir(exist_ok=True)
                path.symlink_to(case.channels[name])
            links.append(replace(case, channels=paths, label=None))
        linked = replace(dataset, folder=tmp_path / "links", cases=tuple(links))
        assert stated(read_origin(linked)) == ("table.tsv: T1w, FLAIR", *NONE[1:3], True)
        shutil.copy(tmp_path / "phantoms" / "dataset_description.json", tmp_path / "links")
        assert read_origin(linked).name == PHANTOMS["Name"]
