"""Scans must be prepared as the model's training scans were; other cases are refused."""

import json

import pytest
from native_cases import patient
from predict_model import write_model

from nnunet_tv.cli.predict import main
from nnunet_tv.inference.published_model import model_dataset
from nnunet_tv.inference.trained_on import TrainedOn
from nnunet_tv.utils.errors import CaseError, NnunetTVError

MNI = TrainedOn("mni", "template")


def settings(model, space=None, brain=None, backend="simpleitk"):
    return model.settings(space=space, backend=backend, brain=brain)


def test_options_default_to_the_models():
    for model in (MNI, TrainedOn("t1", "template"), TrainedOn("none", None)):
        space, options = settings(model)
        assert space == model.registration and options.brain == (model.brain or "deepbet")
    space, options = settings(TrainedOn())
    assert (space, options.brain) == ("mni", "deepbet")
    assert settings(MNI, brain="template")[1].brain == "template", "another brain mask is allowed, skull or not is not"


@pytest.mark.parametrize(("model", "options", "message"), [
    (MNI, {"space": "t1"}, r"--space t1: the model was trained on .* --space mni"),
    (MNI, {"brain": "none"}, "--brain none: the model was trained on scans without skull"),
    (TrainedOn("mni", "none"), {"brain": "template"}, "--brain template: the model was trained on scans with skull"),
    (MNI, {"backend": "fsl"}, "install FSL"),
])
def test_contradicting_options_are_refused(model, options, message):
    with pytest.raises(NnunetTVError, match=message):
        settings(model, **options)


def record(registration, method=None):
    one = patient(registration=registration).record
    one.details["parameters"] = {"brain": {"method": method}}
    return one


def test_prepared_cases():
    for model in (MNI, TrainedOn(), TrainedOn("mni", None)):
        model.check(record("mni", "deepbet"))
    TrainedOn("none").check(record("none"))
    with pytest.raises(CaseError, match=r"prepared with skull, but .* without skull: .*--brain template"):
        MNI.check(record("mni", "none"))


@pytest.mark.parametrize(("content", "expected"), [
    ({}, TrainedOn()), ({"conversion": "by hand"}, TrainedOn()), ({"conversion": {}}, TrainedOn()),
    (model_dataset(), TrainedOn("mni", "none", None, "not recorded (imported weights)")),
    ({"name": "A", "conversion": {"registration": "t1", "brain": "template", "synthetic": True}},
     TrainedOn("t1", "template", True, "A")),
    ({"name": 1, "conversion": {"synthetic": "no"}}, TrainedOn()),
    # written by version 0.1.0, which named every data set of this layout so
    ({"name": "OpenNeuro ds004199: FCD", "conversion": {"registration": "mni", "brain": "template"}}, MNI)])
def test_record_of_the_model(content, expected):
    assert TrainedOn.of(content) == expected


def test_command_refuses_one_case_and_predicts_the_other(tmp_path, capsys):
    model = write_model(tmp_path / "model", trained_on={"registration": "t1", "brain": "template"})
    for name, registration in (("alike", "t1"), ("other", "mni")):
        patient(name, registration=registration).write(tmp_path / "prepared")
    arguments = ["-m", str(model), "-o", str(tmp_path / "out"), "-device", "cpu", "--disable_tta"]
    assert main(["--prepared", str(tmp_path / "prepared"), *arguments]) == 1
    cases = json.loads((tmp_path / "out" / "status.json").read_text())["cases"]
    assert cases["alike"]["status"] == "done" and cases["other"]["status"] == "failed"
    assert "prepared with --space mni, but the model was trained on --space t1" in cases["other"]["text"]
    assert main(["-i", str(tmp_path), "--space", "mni", *arguments]) == 1
    assert "leave the option out, or use another model" in capsys.readouterr().err
