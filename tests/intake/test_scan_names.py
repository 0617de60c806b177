"""Names of scans in preparation.tsv: read back, they give the same scans; an ambiguous name is an error."""

import tempfile
from pathlib import Path

import pytest
from dicom_series import FLAIR, PATIENT, T1, write_header
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnunet_tv.intake.catalogue import read_catalogue
from nnunet_tv.intake.find import find_cases
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.utils.tables import write_tsv

SECRET = ("Quixano", "Alonso", "ZX4711981", "19470929", "1947", "20210304", "1.2.826")


def files(found) -> dict[str, tuple[tuple[Path, ...], ...]]:
    """Files of each case's T1w and FLAIR."""
    return {case.case: tuple(scan.files for scan in case.pair.scans.values()) for case in found.cases if case.pair}


def write_table(found, path: Path) -> Path:
    """The columns of ``preparation.tsv`` that are read again."""
    rows = [[case.case, *case.pair.names.values(), "x"] for case in found.cases if case.pair]
    write_tsv(("case", "t1", "flair", "status"), rows, path)
    return path


def two_studies(root: Path, **second) -> tuple[str, str]:
    """Two studies of one patient, both with a series 3 (T1w) and a series 5 (FLAIR); their case names."""
    for study, patient in {"monday": PATIENT, "tuesday": {**PATIENT, **second}}.items():
        for number, tags in {3: T1, 5: FLAIR}.items():
            write_header(root / study / f"{number}.dcm", study=study, number=number, tags=tags, patient=patient)
    names = {case.case: case.pair.scans["T1w"].files[0].parent.name for case in find_cases(root).cases}
    return next(one for one in names if names[one] == "monday"), next(one for one in names if names[one] == "tuesday")


@pytest.mark.parametrize("case", ["first", "anna"])
@pytest.mark.parametrize("keep_ids", [False, True])
def test_pair_across_studies_is_read_back(tmp_path, case, keep_ids):
    monday, tuesday = two_studies(tmp_path / "in")
    case = monday if case == "first" else case
    pairs = read_manual_pairs([f"{case},{monday}/series-3,{tuesday}/series-5"])
    found = find_cases(tmp_path / "in", manual_pairs=pairs)
    expected = (tmp_path / "in" / "monday" / "3.dcm",), (tmp_path / "in" / "tuesday" / "5.dcm",)
    assert files(found)[case] == expected
    table = write_table(found, tmp_path / "preparation.tsv")
    assert not [text for text in SECRET if text in table.read_text()]
    write_header(tmp_path / "in" / "late" / "3.dcm", study="late", number=3, tags=T1)  # shifts the cases' numbers
    again = find_cases(tmp_path / "in", manual_pairs=read_manual_pairs(table=table), keep_ids=keep_ids)
    assert files(again)[case] == expected


def test_label_names_the_other_study(tmp_path):
    monday, tuesday = two_studies(tmp_path)
    pairs = read_manual_pairs([f"{monday},series-3,{tuesday}/series-5"])
    pair = next(case.pair for case in find_cases(tmp_path, manual_pairs=pairs).cases if case.case == monday)
    assert [scan.label for scan in pair.scans.values()] == ["series-3", f"{tuesday}/series-5"]


def test_table_with_names_of_several_studies_is_refused_with_the_choices(tmp_path):
    monday, _ = two_studies(tmp_path / "in")
    found = find_cases(tmp_path / "in")
    choices = [name for case in found.cases for name in case.pair.names.values()]
    old = tmp_path / "old.tsv"
    old.write_text(f"case\tt1\tflair\tt1_sha256\n{monday}\tseries-3\tseries-5\tx\n")
    case = next(case for case in find_cases(tmp_path / "in", manual_pairs=read_manual_pairs(table=old)).cases
                if case.case == monday)
    assert case.pair is None and "'series-3'" in case.problem
    assert [name for name in choices if "series-3-" in name and name not in case.problem] == []
    write_header(tmp_path / "in" / "monday" / "7.dcm", study="monday", number=7, tags=T1)
    old.write_text(f"case\tt1\tflair\n{monday}\tseries-7\t{choices[1]}\n")
    again = find_cases(tmp_path / "in", manual_pairs=read_manual_pairs(table=old))
    assert files(again)[monday][0] == (tmp_path / "in" / "monday" / "7.dcm",)  # there is one series 7 only


def test_pair_that_takes_no_scan_of_the_case_it_is_called_by_is_refused(tmp_path):
    """Else the scans of that case would silently be in none."""
    monday, tuesday = two_studies(tmp_path)
    pairs = read_manual_pairs([f"{monday},{tuesday}/series-3,{tuesday}/series-5"])
    problems = {case.case: case.problem for case in find_cases(tmp_path, manual_pairs=pairs).cases}
    assert monday in problems[monday] and tuesday in problems[monday]
    assert problems[tuesday] == ""


def test_file_of_the_case_and_file_below_the_folder_of_one_name(tmp_path):
    for name in ("T1.nii.gz", "p/T1.nii.gz", "p/FLAIR.nii.gz", "anna/T1.nii.gz", "p/anna/T1.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"")
    for name in ("T1.nii.gz", "anna/T1.nii.gz"):
        case = next(case for case in find_cases(
            tmp_path, manual_pairs=read_manual_pairs([f"p,{name},p/FLAIR.nii.gz"])).cases if case.case == "p")
        assert case.pair is None and f"file:{name}" in case.problem and f"file:p/{name}" in case.problem
        for chosen in (name, f"p/{name}"):
            pairs = read_manual_pairs([f"p,file:{chosen},p/FLAIR.nii.gz"])
            found = find_cases(tmp_path, manual_pairs=pairs)
            assert files(found)["p"][0] == (tmp_path / chosen,)
            table = write_table(found, tmp_path / "preparation.tsv")
            assert files(find_cases(tmp_path, manual_pairs=read_manual_pairs(table=table)))["p"] == files(found)["p"]


SERIES = st.tuples(st.sampled_from(["monday", "tuesday", "wednesday"]), st.integers(0, 3), st.sampled_from("ab"))
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
FILES = st.one_of(
    NAMES.map(lambda name: f"{name}.nii.gz"), NAMES.map(lambda name: f"p/{name}.nii"),
    st.sampled_from(["T1.nii", "p/T1.nii", "p/p/T1.nii", "file:T1.nii", "a  b.nii", "a b.nii", "a\tb.nii",
                     "a,b.nii", '"q".nii', "=1+1.nii", "a%20b.nii",
                     " a.nii", "sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz", "study-1/series-3.nii", "q/\udcfc.nii",
                     "case-0001/series-3.nii.gz"]))


@given(st.sets(SERIES, max_size=6), st.sets(FILES, max_size=5), st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_written_names_are_read_back_to_the_same_scans(series, niftis, data):
    """Whatever the mixture, and whatever is added before the table is read."""
    with tempfile.TemporaryDirectory() as folder:
        root, scans = Path(folder, "in"), []
        root.mkdir()
        ids = dict(zip("mtw", data.draw(st.permutations(["", "***", "ID1"])), strict=True))
        for study, number, copy in sorted(series):
            path = root / study / f"{number}{copy}"
            write_header(path, study=study, number=number, tags=T1, uid=f"1.2.{number}.{ord(copy)}",
                         patient={"PatientID": ids[study[0]]} if data.draw(st.booleans()) else {})
            scans.append(path)
        for name in sorted(niftis):
            try:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(b"")
            except OSError:
                continue
            scans.append(root / name)
        if len(scans) < 2:
            return
        catalogue = read_catalogue(root)
        assert {path for scan in catalogue.scans for path in scan.files} <= set(scans)
        if len(catalogue.scans) < 2:
            return
        chosen = data.draw(st.permutations(catalogue.scans))[:2]
        names = {scan.files: catalogue.written(scan) for scan in chosen}
        for name in names.values():
            assert name == " ".join(name.split()) and name.isprintable() and not set(name) & set(',"')
        table = Path(folder, "preparation.tsv")
        write_tsv(("case", "t1", "flair"), [["zoe", *names.values()]], table)
        if data.draw(st.booleans()):
            for number in (0, 1, 2, 3):
                write_header(root / "new" / str(number), study="new", number=number, tags=FLAIR)
            (root / "T1.nii").write_bytes(b"")
            (root / "p" / "q").mkdir(parents=True, exist_ok=True)
        pair = read_manual_pairs(table=table)["zoe"]
        again = read_catalogue(root, keep_ids=data.draw(st.booleans()))
        assert [again.find(pair, name).files for name in (pair.t1, pair.flair)] == list(names)
