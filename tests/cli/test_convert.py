"""Usage of nnunet-tv-convert; what it does is tested in tests/dataset_conversion."""

import pytest

from nnunet_tv.cli.convert import main


def usage_error(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(("options", "message"), [
    *((["--name", name], f"data set name {name!r}: expected one such as DatasetFCD")
      for name in ("FCD", "Dataset", "Dataset__FCD", "Dataset/FCD", "../DatasetFCD", "Dataset FCD")),
    *(([option, value], f"expected a whole number of at least 1, found {value!r}")
      for option in ("--repeats", "-np") for value in ("0", "two", "1.5")),
    ([], "export nnUNet_raw="), (["--split", "cv5", "--repeats", "3"], "cv5 has five folds")])
def test_usage(capsys, monkeypatch, options, message):
    monkeypatch.delenv("nnUNet_raw", raising=False)
    assert message in usage_error(capsys, "ds004199", "-i", "x", *options)


@pytest.mark.parametrize(("data_set", "options", "message"), [
    ("bonbid-hie", ["--space", "mni"], "--space mni: expected none (the ADC maps are skull-stripped and of"),
    ("bonbid-hie", ["--space", "x"], "--space x: expected none\n"),
    ("bonbid-hie", ["--brain", "deepbet"], "--brain is not for this data set: the ADC maps are skull-stripped"),
    ("bonbid-hie", ["--registration-backend=fsl"], "--registration-backend is not for this data set: the ADC maps"),
    ("bonbid-hie", ["--controls", "test"], "--controls is not for this data set: the data set lists no newborn"),
    ("bonbid-hie", ["--label", "core"], "--label is not for this data set: it has no such choice"),
    ("bonbid-hie", ["--split", "paper"], "invalid choice: 'paper' (choose from official, seeded, cv5)"),
    ("brain-mets-lung", ["--space", "mni"], "--space mni: expected none or t1 (registration to MNI152 was"),
    ("brain-mets-lung", ["--label", "edema"], "invalid choice: 'edema'"),
    ("ds004199", ["--label-name", "x"], "--label-name is not for this data set: it has no such choice"),
])
def test_options_of_other_data_sets_are_refused(capsys, data_set, options, message):
    error = usage_error(capsys, data_set, "-i", "x", "-o", "y", *options).replace("'official', 'seeded', 'cv5'",
                                                                                  "official, seeded, cv5")
    assert f"nnunet-tv-convert {data_set}: error: " in error and message in error


def test_a_backend_that_is_not_installed_ends_the_command_before_any_case(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("FSLDIR", raising=False)
    assert main(["ds004199", "-i", str(tmp_path), "-o", str(tmp_path / "raw"), "--space", "mni",
                 "--registration-backend", "fsl"]) == 1
    assert "install FSL and set FSLDIR" in capsys.readouterr().err and not (tmp_path / "raw").exists()
