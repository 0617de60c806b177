"""Model folders: which are usable, which folds are used, and the filter that belongs to them."""

import json
import pickle

import numpy as np
import pytest
from predict_model import write_model

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference.model_folder import find_model, read_filter
from nnunet_tv.postprocessing import ClusterFilter, write_postprocessing
from nnunet_tv.utils.errors import NnunetTVError


@pytest.mark.parametrize(("folder", "options", "changes", "message"), [
    ("nowhere", {}, {}, "nowhere: no such model folder"),
    (".", {}, {}, "not a model folder: plans.json is missing"),
    ("model", {"folds": ["0", "3"]}, {}, r"no checkpoint_final.pth of fold 3; folds that have one: 0"),
    ("model", {"checkpoint": "best.pth"}, {}, r"no best.pth of fold any; folds that have one: none"),
    ("model", {}, {"labels": {"background": 0, "a": 1, "b": 2}},
     r"the model's labels are .*expected background and one lesion"),
    ("model", {}, {"channel_names": {"0": "FLAIR", "1": "T1w"}},
     r"channels are FLAIR, T1w, expected T1w, FLAIR in this order"),
])
def test_unusable_models(tmp_path, folder, options, changes, message):
    path = write_model(tmp_path / "model") / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(NnunetTVError, match=message):
        find_model(tmp_path / folder, **options)


@pytest.mark.parametrize(("there", "used"), [(("0", "all"), ("0",)), (("all",), ("all",))])
def test_fold_all_is_used_only_alone(tmp_path, there, used):
    assert find_model(write_model(tmp_path / "a", folds=there)).folds == used


def test_filters(tmp_path):
    data = np.zeros((20, 20, 20), np.uint8)
    data[1:6, 1:6, 1:6], data[10:14, 10:13, 10:13] = 1, 1
    blocks = Volume(data, np.eye(4))
    standard = read_filter(tmp_path)
    assert "the model folder has no postprocessing.pkl" in standard.text
    assert standard(blocks).data.sum() == pytest.approx(81, abs=44) and not standard(blocks).data[10:].any()
    write_postprocessing(tmp_path, ClusterFilter(min_voxels=10, opening=False))
    assert np.array_equal(read_filter(tmp_path)(blocks).data, data)
    assert read_filter(tmp_path).text.startswith("postprocessing.pkl: ")
    (tmp_path / "postprocessing.pkl").write_bytes(pickle.dumps(([], [])))
    assert np.array_equal(read_filter(tmp_path)(blocks).data, data) and "nothing" in read_filter(tmp_path).text
    (tmp_path / "postprocessing.pkl").write_bytes(pickle.dumps(([np.cumsum], [{"axis": 0}])))  # 0 is nnU-Net's z
    assert read_filter(tmp_path)(blocks).data[1, 1].tolist() == [0, 1, 2, 3, 4, 5, *[5] * 14]


@pytest.mark.parametrize("content", [b"no", pickle.dumps(([sum], [])), pickle.dumps(([sum], [3]))])
def test_unusable_filter(tmp_path, content):
    (tmp_path / "postprocessing.pkl").write_bytes(content)
    with pytest.raises(NnunetTVError, match=r"postprocessing.pkl: not nnU-Net's postprocessing"):
        read_filter(tmp_path)
