"""Two trainings of one seed on one CPU machine, each in a process of its own, for any number of workers."""

import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from nnunet_tv.planning.plans import with_network
from nnunet_tv.training.record.run_record import read_run_record
from nnunet_tv.utils.files import read_json, write_json

NAME = "nnUNetTrainerDiceTV_2epochs"
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.run.run_training import run_training
if __name__ == "__main__":
    torch.set_num_threads(1)
    cpu, model, images, out = torch.device("cpu"), *map(Path, sys.argv[2:])
    run_training("DatasetFCD", "3d_fullres", 0, "nnUNetTrainerDiceTV_2epochs", "TinyPlans", device=cpu)
    predictor = nnUNetPredictor(use_mirroring=False, device=cpu, perform_everything_on_device=False)
    predictor.initialize_from_trained_model_folder(str(model), (0,))
    predictor.predict_from_files_sequential(
        [[str(images / f"sub-00001_000{channel}.nii.gz") for channel in range(2)]], [str(out)], True, True)
"""


@pytest.mark.slow
def test_weights_and_predictions_are_identical_for_any_number_of_workers(planned):
    folder = planned / "nnUNet_preprocessed" / "DatasetFCD"
    plans = with_network(read_json(folder / "nnUNetPlans.json"), "3d_fullres", network="tiny_network.TinyNetwork",
                         patch_size=(32, 32, 32))
    write_json({**plans, "plans_name": "TinyPlans"}, folder / "TinyPlans.json")
    script = planned / "train.py"
    script.write_text(SCRIPT)
    found = []
    for number, workers in enumerate((1, 1, 2)):
        results = planned / f"results{number}"
        model = results / "DatasetFCD" / f"{NAME}__TinyPlans__3d_fullres"
        out = planned / f"prediction{number}" / "sub-00001"
        out.parent.mkdir()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "nnUNet_results": str(results),
                       "nnUNet_n_proc_DA": str(workers)}
        subprocess.run([sys.executable, str(script), str(Path(__file__).parents[1]), str(model),
                        str(planned / "nnUNet_raw" / "DatasetFCD" / "imagesTr"), str(out)], env=environment, check=True)
        weights = [torch.load(model / "fold_0" / f"checkpoint_{name}.pth", weights_only=False)["network_weights"]
                   for name in ("final", "last_epoch")]
        record = read_run_record(model / "fold_0")
        found.append((weights, np.asarray(nibabel.load(f"{out}.nii.gz").dataobj),
                      np.load(f"{out}.npz")["probabilities"], record.plan_sha256, record.data))
        assert record.sessions[0].workers == min(workers, os.cpu_count() or 1)  # as nnU-Net limits them
    first, *others = found
    for other in others:
        for one, same in zip(first[0], other[0], strict=True):
            assert one.keys() == same.keys() and all(torch.equal(one[name], same[name]) for name in one)
        assert all(np.array_equal(one, same) for one, same in zip(first[1:3], other[1:3], strict=True))
        assert first[3:] == other[3:]
    assert first[2].std() > 0  # probabilities that vary, so that equality means something
