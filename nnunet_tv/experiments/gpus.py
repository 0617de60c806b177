"""The GPUs of this machine that jobs share, one job each."""

import os

#: GPUs that the jobs of an experiment share, as in ``CUDA_VISIBLE_DEVICES``; set by ``nnunet-tv-experiment``.
SHARED = "NNUNET_TV_GPUS"


def visible_gpus() -> list[str]:
    """GPUs of this machine, as ``CUDA_VISIBLE_DEVICES`` names them; those that it leaves, if it is set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def gpus_to_share(device: str) -> list[str]:
    """GPUs among which a job takes a free one; none on the CPU, and none where Slurm has given the job its own."""
    if device != "cuda":
        return []
    if shared := os.environ.get(SHARED):
        return shared.split(",")
    return [] if "SLURM_JOB_ID" in os.environ else visible_gpus()
