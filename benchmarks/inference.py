"""One case through nnU-Net's sliding window: MS-DSA-Net as we run it against the plain network, under one predictor.

  python benchmarks/inference.py --device cuda
  python benchmarks/inference.py --device cpu --repeats 1
  python benchmarks/inference.py --device cpu --shape 96 96 96 --patch 64 --train 200

The defaults are the case of the goal: 182×218×182, patches of 128³, step 0.5, 8 mirrors. All have the same weights:
random ones, or with --train those after so many steps on blobs in noise. Each runs in a process of its own and computes
one patch before it is timed. On the CPU `ours` is what ``nnunet-tv-predict`` does (memory kept, bfloat16 where the
processor has it; without its check of each case, two patches more), and `plain` what nnU-Net does. Voxels that differ
from plain in float32 are counted: random weights put many near 0.5, a trained network few.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from plain_peers import EinsumAttention, replace_attention
from processes import alternate_processes
from side_by_side import TIMES, parser, summary, table, write
from torch import nn

from nnunet_tv.architectures.ms_dsa_net import MSDSANet
from nnunet_tv.inference.precision import has_bfloat16
from nnunet_tv.losses import DiceBCELoss
from nnunet_tv.utils.host_memory import keep_freed_memory

PLAIN = "plain, memory given back"


@dataclass(frozen=True)
class Way:
    """How the network is run."""

    plain: bool = False
    bfloat16: bool = False
    keeps_memory: bool = False


def ways(device: str) -> dict[str, Way]:
    """Ours as it is run comes first."""
    if device == "cuda":
        return {"ours": Way(), "plain": Way(plain=True)}
    all_ways = {"ours, bfloat16, memory kept": Way(bfloat16=True, keeps_memory=True)} if has_bfloat16() else {}
    return {**all_ways, "ours, memory kept": Way(keeps_memory=True), PLAIN: Way(plain=True),
            "plain, memory kept": Way(plain=True, keeps_memory=True)}


def blobs(shape: Sequence[int], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise (2, *shape) with six ellipsoids, brighter by two in the second channel, and their mask (1, *shape)."""
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in shape], indexing="ij")
    mask = torch.zeros(tuple(shape))
    for _ in range(6):
        centre, radius = (torch.rand(3, generator=generator) for _ in range(2))
        away = sum(((axis - c * n) / (3 + 5 * r)) ** 2
                   for axis, c, n, r in zip(axes, centre, shape, radius, strict=True))
        mask[away < 1] = 1
    image = torch.randn(2, *shape, generator=generator)
    image[1] += 2 * mask
    return image, mask[None]


def trained_weights(patch: int, steps: int) -> dict[str, torch.Tensor]:
    """Weights of MS-DSA-Net after `steps` patches of blobs."""
    torch.manual_seed(0)
    network, loss = MSDSANet(2, 2, input_size=[patch] * 3), DiceBCELoss()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(1)
    for number in range(steps):
        image, mask = blobs([patch] * 3, generator)
        optimiser.zero_grad()
        value = loss(network(image[None]), mask[None])
        value.backward()
        optimiser.step()
        if number == 0:
            keep_freed_memory()
    print(f"trained {steps} steps on blobs; last loss {value.item():.3f}", flush=True)
    return network.state_dict()


def random_case(shape: Sequence[int], patch: int, weights: str | None, *, device: str, mirrors: bool):
    """nnU-Net's predictor around a network of ours, and noise with blobs."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    class Configuration:
        patch_size = (patch,) * 3

    class Labels:
        num_segmentation_heads = 2

    torch.manual_seed(0)
    predictor = nnUNetPredictor(use_mirroring=mirrors, device=torch.device(device), allow_tqdm=False,
                                perform_everything_on_device=device == "cuda")
    predictor.network = MSDSANet(2, 2, input_size=[patch] * 3)
    predictor.configuration_manager, predictor.label_manager = Configuration(), Labels()
    predictor.allowed_mirroring_axes = (0, 1, 2)
    if weights:
        predictor.network.load_state_dict(torch.load(weights, weights_only=True))
    return predictor, blobs(shape, torch.Generator().manual_seed(0))[0]


def make_call(way: Way, case: Callable, device: str) -> Callable[[], np.ndarray]:
    """A function that predicts the case and returns its segmentation."""
    with contextlib.redirect_stdout(io.StringIO()):
        predictor, image = case()
    network: nn.Module = predictor.network
    if way.plain:
        network = replace_attention(network, EinsumAttention)
    predictor.network = network.eval().to(device)

    def autocast():
        return torch.autocast("cpu", torch.bfloat16, enabled=way.bfloat16)

    # on CUDA nnU-Net's predictor uses mixed precision itself
    with torch.inference_mode(), torch.autocast("cuda") if device == "cuda" else autocast():
        predictor.network(torch.zeros(1, 2, *predictor.configuration_manager.patch_size, device=device))
    if way.keeps_memory:
        keep_freed_memory()

    def call() -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()), autocast():
            logits = predictor.predict_sliding_window_return_logits(image)
        return logits.argmax(0).byte().cpu().numpy()

    return call


def main() -> None:
    """Run and print."""
    arguments = parser(__doc__, repeats=3, device=True)
    arguments.add_argument("--shape", type=int, nargs=3, default=(182, 218, 182))
    arguments.add_argument("--patch", type=int, default=128)
    arguments.add_argument("--train", type=int, default=0, metavar="STEPS", help="train on blobs first")
    arguments.add_argument("--no-mirrors", action="store_true")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = None
        if options.train:
            weights = str(Path(folder) / "weights.pth")
            torch.save(trained_weights(options.patch, options.train), weights)
        case = partial(random_case, options.shape, options.patch, weights, device=options.device,
                       mirrors=not options.no_mirrors)
        makers = {name: partial(make_call, way, case, options.device) for name, way in ways(options.device).items()}
        turns = alternate_processes(makers, repeats=options.repeats, device=options.device, warm=True)
    reference = "plain" if options.device == "cuda" else PLAIN
    if reference not in turns:
        raise SystemExit(f"`{reference}` failed: no comparison")
    ours = next(iter(turns))
    rows = summary({name: turn.seconds for name, turn in turns.items()}, ours=ours)
    reference = turns[reference].result
    for row in rows:
        turn = turns[row["name"]]
        row.update(peak_gib=turn.peak_gib, lesion=int(turn.result.sum()), differ=int((turn.result != reference).sum()))
    print(f"bfloat16 instructions: {has_bfloat16()}; voxels: {reference.size}")
    print(table(rows, {"name": "case", **TIMES, "times_ours": f"times `{ours}`", "peak_gib": "peak GiB",
                       "lesion": "lesion voxels", "differ": "voxels unlike plain"}))
    write(options.json, {"benchmark": "inference", "settings": vars(options), "bfloat16": has_bfloat16(), "rows": rows})


if __name__ == "__main__":
    main()
