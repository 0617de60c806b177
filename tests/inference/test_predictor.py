"""The predictor against stock nnU-Net, its deviation between folds, and bfloat16 with its repetition."""

import numpy as np
import pytest
import torch
from native_cases import patient
from predict_model import write_model

from nnunet_tv.imaging.volume import read_mask
from nnunet_tv.inference import precision
from nnunet_tv.inference.model_folder import find_model
from nnunet_tv.inference.predictor import PredictOptions, Predictor


@pytest.fixture
def images(tmp_path):
    patient("a").write(tmp_path / "prepared")
    return [tmp_path / "prepared" / f"a_{number:04d}.nii.gz" for number in range(2)]


def predictor(folder, *, folds=None, **options):
    return Predictor(find_model(folder, folds=folds), PredictOptions("cpu", **options))


def test_prediction_equals_stock_nnunet_and_folds_have_a_deviation(tmp_path, images):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    folder = write_model(tmp_path / "model", folds=("0", "1", "2"))
    found = predictor(folder, precision="float32").predict(images)
    (tmp_path / "stock").mkdir()
    stock = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    stock.initialize_from_trained_model_folder(str(folder), (0, 1, 2))
    stock.predict_from_files_sequential([list(map(str, images))], [str(tmp_path / "stock" / "a")],
                                        save_probabilities=True)
    mask = read_mask(tmp_path / "stock" / "a.nii.gz", case="a")
    assert np.array_equal(found.segmentation.data, mask.data) and np.allclose(found.probability.affine, mask.affine)
    expected = np.load(tmp_path / "stock" / "a.npz")["probabilities"][1].transpose(2, 1, 0)
    np.testing.assert_allclose(found.probability.data, expected, atol=1e-3)
    # plain brain: logit = the fold's bias, so p and its deviation are known
    plain = np.isclose(found.probability.data, 1 / (1 + np.exp(1.6)), atol=1e-3)
    folds = 1 / (1 + np.exp([1.0, 1.6, 2.2]))
    assert plain.sum() > 1000 and found.deviation.data[plain] == pytest.approx(folds.std(), abs=4e-3)  # half precision
    assert predictor(folder, folds=["1"]).predict(images).deviation is None


def test_bfloat16_and_its_repetition_in_float32(tmp_path, images, monkeypatch, caplog):
    folder = write_model(tmp_path / "model")
    exact = predictor(folder, mirroring=False, precision="float32").predict(images)
    rough = predictor(folder, mirroring=False, precision="bfloat16")
    found = rough.predict(images)
    assert not np.array_equal(found.probability.data, exact.probability.data), "it was bfloat16"
    assert np.abs(found.probability.data - exact.probability.data).max() < 0.05
    assert (found.segmentation.data != exact.segmentation.data).mean() < 1e-3
    monkeypatch.setattr(precision, "differing_voxels", lambda network, patch: 11)
    with caplog.at_level("INFO"):
        again = rough.predict(images)
    assert "segments 11 voxels of a patch differently from float32: repeated in float32" in caplog.text
    np.testing.assert_array_equal(again.probability.data, exact.probability.data)
