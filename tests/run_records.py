"""Records of training runs made by hand."""

from nnunet_tv.training.record.run_record import CaseDigests, Data, Device, Network, RunRecord, Seeds, Session

PLAN, DATA = "1" * 64, "2" * 64


def make_session(**changes):
    """A session on a CPU that trained 10 epochs within an hour."""
    return Session(**{
        "status": "finished", "started": "2026-01-01T00:00:00+00:00", "updated": "2026-01-01T01:00:00+00:00",
        "first_epoch": 0, "epochs": 10, "command": ("nnUNetv2_train", "DatasetFCD"),
        "versions": {"nnunet-tv": "1.0", "nnunetv2": "2.8.1", "torch": "2.13.0", "python": "3.11.7"}, "commit": None,
        "modified": None, "device": Device("cpu", "A processor", 2, 2**34), "workers": 1, "threads": 2,
        "compiled": False, "mixed_precision": False, "plan_sha256": PLAN, "data_sha256": DATA,
        "seconds_per_epoch": 360.0, "peak_device_bytes": None, "peak_resident_bytes": 2**30, **changes})


def make_record(**changes):
    """A finished run of 10 epochs of the recipe with Dice + TV, fold 0."""
    digests = CaseDigests(3, "3" * 64, "4" * 64)
    return RunRecord(**{
        "status": "finished", "dataset": "DatasetFCD", "trainer": "nnUNetTrainerDiceTV_10epochs",
        "plans": "MSDSANetPlans", "configuration": "3d_fullres", "fold": 0, "recipe": "TV paper", "loss": "DiceTVLoss",
        "loss_settings": {"tv_weight": 0.1}, "optimizer": {"name": "AdamW", "initial_lr": 1e-4, "weight_decay": 1e-5},
        "network": Network("networks.Net", 1234, (32, 32, 32), 4),
        "seeds": Seeds(0, "a rule", ("initial weights",), ()), "plan_sha256": PLAN,
        "data": Data({"train": digests, "selection": digests}, "5" * 64, "6" * 64, None, DATA),
        "planned_epochs": 10, "epochs": 10, "iterations_per_epoch": 3, "seconds_per_epoch": 360.0, "best_epoch": 7,
        "checkpoints": {"checkpoint_final.pth": "7" * 64}, "sessions": (make_session(),), **changes})
