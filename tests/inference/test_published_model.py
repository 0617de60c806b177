"""Imported weights: nnU-Net's prediction equals that of the network on the (X, Y, Z) array in [0, 1]."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from output_folders import snapshot

from nnunet_tv.architectures.ms_dsa_net import MSDSANet
from nnunet_tv.architectures.published import PublishedWeightsError
from nnunet_tv.inference.published_model import FILES, PLANS_NAME, TRAINER, import_published, read_weights
from nnunet_tv.inference.trained_on import TrainedOn
from nnunet_tv.utils.errors import NnunetTVError

SIZE = (64, 64, 64)
MODEL = f"Dataset901_Imported/{TRAINER}__{PLANS_NAME}__3d_fullres"


@pytest.fixture(scope="module")
def weights(_published_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / "model.pth"
    # the output for these weights is nearly flat: a sharper head makes the comparison meaningful
    content = {name: tensor * 4 if name == "out.conv.conv.weight" else tensor
               for name, tensor in _published_weights.items()}
    torch.save({"epoch": 7, "model_state_dict": {f"module.{name}": tensor for name, tensor in content.items()}}, path)
    return path


@pytest.fixture(scope="module")
def results(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    assert import_published(weights, folder / MODEL) == SIZE
    return folder


@pytest.fixture(scope="module")
def scan(published_image):
    """Two channels, (2, X, Y, Z), with 10 as the smallest value: nnU-Net crops zeros away."""
    image = published_image[0] - published_image[0].min((1, 2, 3), keepdims=True)
    return (10 + 300 * image).astype(np.float32)


def foreground(network, image):
    """Foreground probability, (X, Y, Z), of the network on the image scaled to [0, 1]."""
    low, high = image.min((1, 2, 3), keepdims=True), image.max((1, 2, 3), keepdims=True)
    with torch.no_grad():
        logits = network(torch.from_numpy((image - low) / (high - low))[None])
    return torch.softmax(logits, 1)[0, 1].numpy()


@pytest.fixture(scope="module")
def expected(weights, scan):
    network = MSDSANet.from_published(read_weights(weights), input_size=SIZE).eval()
    result = foreground(network, scan)
    # any wrong order of axes or channels, or a flip, changes the result
    wrong = [change(foreground(network, np.stack([change(data) for data in scan])))
             for change in (lambda data: data.T, lambda data: data.swapaxes(0, 1), lambda data: data[::-1])]
    assert all(np.abs(other - result).max() > 0.1 for other in (*wrong, foreground(network, scan[::-1].copy())))
    return result


def write_case(folder: Path, scan: np.ndarray, codes: str) -> np.ndarray:
    """Write both channels with voxels stored in the orientation `codes`; return the affine."""
    folder.mkdir(parents=True)
    affine = nib.affines.from_matvec(np.eye(3), [-30, -20, -10])
    turn = nib.orientations.ornt_transform(*map(nib.orientations.axcodes2ornt, ("RAS", codes)))
    for channel, data in enumerate(scan):
        image = nib.Nifti1Image(data, affine).as_reoriented(turn)
        nib.save(image, folder / f"case_000{channel}.nii.gz")
    return image.affine


def check_prediction(folder: Path, expected: np.ndarray, affine: np.ndarray, margin: int = 0) -> None:
    """Compare everything, or what is `margin` voxels from the border."""
    image = nib.load(folder / "case.nii.gz")
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    inside = (slice(margin, -margin or None),) * 3
    found, expected = np.asarray(nib.as_closest_canonical(image).dataobj)[inside], expected[inside]
    sure = np.abs(expected - 0.5) > 0.01  # nnU-Net keeps logits in half precision
    assert 0.05 < expected[sure].round().mean() < 0.95 and sure.mean() > 0.8
    assert np.array_equal(found[sure], expected.round()[sure])


@pytest.mark.parametrize("codes", ["RAS", "LAS", "PSR"])
def test_prediction_equals_the_network_called_directly(results, scan, expected, tmp_path, codes):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    affine = write_case(tmp_path / "in", scan, codes)
    (tmp_path / "out").mkdir()
    predictor = nnUNetPredictor(use_mirroring=False, use_gaussian=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(results / MODEL), (0,))
    assert isinstance(predictor.network, MSDSANet) and predictor.trainer_name == TRAINER
    predictor.predict_from_files_sequential(str(tmp_path / "in"), str(tmp_path / "out"), save_probabilities=True)
    check_prediction(tmp_path / "out", expected, affine)
    # probabilities are in the reader's order: (z, y, x) of the canonical image
    probabilities = np.load(tmp_path / "out" / "case.npz")["probabilities"]
    assert np.abs(probabilities[1].transpose(2, 1, 0) - expected).max() < 0.01


@pytest.mark.slow
def test_nnunets_command_finds_the_model_by_its_names(results, scan, expected, tmp_path):
    affine = write_case(tmp_path / "in", scan, "RAS")
    command = ["nnUNetv2_predict", "-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-d",
               "Dataset901_Imported", "-c", "3d_fullres", "-tr", TRAINER, "-p", PLANS_NAME, "-f", "0",
               "-device", "cpu", "--disable_tta", "-npp", "1", "-nps", "1"]
    environment = os.environ | {"nnUNet_results": str(results), "nnUNet_raw": str(tmp_path),
                                "nnUNet_preprocessed": str(tmp_path)}
    subprocess.run([Path(sys.executable).with_name(command[0]), *command[1:]], check=True, env=environment)
    # weighted with nnU-Net's Gaussian and kept in half precision, logits near the corners are coarse
    check_prediction(tmp_path / "out", expected, affine, margin=8)


def test_trainers_take_the_plans_and_pretrained_weights(results, weights):
    """A trainer's network has the plans' patch size, and nnU-Net's ``-pretrained_weights`` loads into it."""
    from nnunetv2.run.load_pretrained_weights import load_pretrained_weights
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = PlansManager(str(results / MODEL / "plans.json"))
    configuration = plans.get_configuration("3d_fullres")
    network = recursive_find_trainer_class_by_name(TRAINER).build_network_architecture(
        plans, configuration, 2, 2, enable_deep_supervision=False)
    load_pretrained_weights(network, str(results / MODEL / "fold_0" / "checkpoint_final.pth"))
    assert network.input_size == SIZE == tuple(configuration.patch_size)
    for name, tensor in MSDSANet.from_published(read_weights(weights), input_size=SIZE).state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


@pytest.mark.parametrize("folder, name", [(MODEL, "Dataset901_Imported"), ("model", "DatasetFCD")])
def test_contents_of_the_model_folder(weights, tmp_path, folder, name):
    (tmp_path / folder).mkdir(parents=True)  # an empty folder may be replaced
    import_published(weights, tmp_path / folder)
    assert set(snapshot(tmp_path / folder)) == set(FILES) and not list(tmp_path.rglob(".*"))
    dataset, plans = (json.loads((tmp_path / folder / file).read_text()) for file in ("dataset.json", "plans.json"))
    assert plans["dataset_name"] == name
    trained_on = TrainedOn.of(dataset)
    assert trained_on.synthetic is None and trained_on.data_set == "not recorded (imported weights)"
    assert dataset["channel_names"] == {"0": "T1w", "1": "FLAIR"}


def test_model_is_replaced_only_on_request_and_other_work_never(weights, tmp_path, monkeypatch):
    def full(content, path):
        Path(path).write_bytes(b"half")
        raise OSError("no space left on device")

    model = tmp_path / "model"
    import_published(weights, model)
    (model / "plans.json").write_text("{}")
    before = snapshot(tmp_path)
    with pytest.raises(NnunetTVError, match=r"model: exists already.*--overwrite"):
        import_published(weights, model)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left"):
        patch.setattr(torch, "save", full)
        import_published(weights, model, overwrite=True)
    assert snapshot(tmp_path) == before
    import_published(weights, model, overwrite=True)
    assert json.loads((model / "plans.json").read_text())["transpose_forward"] == [2, 1, 0]
    (model / "fold_0" / "checkpoint_best.pth").write_bytes(b"trained for days")
    (tmp_path / "file").write_text("notes")
    before = snapshot(tmp_path)
    with pytest.raises(NnunetTVError, match=r"more than an import writes \(fold_0/checkpoint_best.pth\)"):
        import_published(weights, model, overwrite=True)
    with pytest.raises(NnunetTVError, match="expected a folder to write, found a file"):
        import_published(weights, tmp_path / "file", overwrite=True)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"dataset_name": "FCD"}, NnunetTVError, "data set name 'FCD': expected one such as DatasetFCD"),
    ({"dataset_name": "Dataset1/FCD"}, NnunetTVError, "data set name 'Dataset1/FCD': expected one such as DatasetFCD"),
    ({"input_size": (64, 64, 96)}, PublishedWeightsError,
     r"(?s)model\.pth: .*0.pos_embed: expected 1x6144x32, found 1x4096"),
    ({"input_size": (64, 64, 100)}, NnunetTVError, r"model\.pth: .*axis 2 is 100"),
])
def test_unusable_options(weights, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        import_published(weights, tmp_path / "model", **options)
    assert not any(tmp_path.iterdir())


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def saved(content) -> bytes:
    torch.save(content, file := io.BytesIO())
    return file.getvalue()


@pytest.mark.parametrize(("content", "message"), [
    (None, "no such file"),
    (b"<html>not found</html>", "not a file of tensors only, or damaged"),
    (b"", "not a readable PyTorch file"),
    (saved({"fc.weight": torch.zeros(2)})[:200], "not a readable PyTorch file|or damaged"),
    (saved(torch.nn.Linear(2, 2)), r"not a file of tensors only.*save the network's state_dict\(\) alone"),
    (saved({"state_dict": Harm()}), "files that run code when read are refused"),
    (saved([1, 2]), "expected a state dict"),
    (saved({"fc.weight": torch.zeros(2)}), "no position embeddings"),
], ids=["missing", "text", "empty", "cut", "module", "code", "list", "other network"])
def test_unusable_files(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NnunetTVError, match=rf"weights.pth: .*({message})"):
        import_published(path, tmp_path / "model")
    assert not (tmp_path / "model").exists() and not (tmp_path / "harm").exists()
