"""Parameters, GFLOP and peak memory of every network of ``nnunet-tv-plan --network``.

  python benchmarks/networks.py --json networks.json
  python benchmarks/networks.py --device cuda --networks sg-net unetr

Two input and two output channels. Parameters are the trained ones. GFLOP: one forward pass of one patch, a
multiplication and an addition count as two, counted by torch on shapes alone (convolutions, matrix products and
attention; not norms and activations). Peak memory: forward and backward of one patch in training mode, weights and
gradients included, without the optimiser; on the CPU in float32, what the process grew by; on a GPU what torch
allocated, in float32 or with --amp. Every network is measured in a process of its own, one after the other.
nnU-Net's own networks are those that it plans for this patch at 1 mm. MONAI's: `pip install 'nnunet-tv[monai]'`.
"""

import argparse
import json
import pydoc
import subprocess
import sys
from typing import Any

from processes import start_peak, status_bytes
from side_by_side import machine, parser, table, write

from nnunet_tv.architectures.registry import NETWORKS

COLUMNS = {"title": "network", "name": "`--network`", "millions": "parameters (M)", "gflop": "GFLOP",
           "cpu_gb": "CPU peak (GB)", "gpu_gb": "GPU peak (GB)", "sides": "patch sides", "plans": "`-p`",
           "source": "source"}
#: Widths and blocks of nnU-Net's planners (2.8).
WIDTHS = (32, 64, 128, 256, 320, 320)
BLOCKS = (1, 3, 4, 6, 6, 6)


def build(name: str, patch: int) -> Any:
    """The network with two inputs and two outputs, on torch's current default device."""
    network = NETWORKS[name]
    if not network.planner:
        sides = network.rule.check([patch] * 3)
        return pydoc.locate(network.class_name)(2, 2, **network.arguments_for(sides))
    return _nnunet_network(network.title, patch)


def _nnunet_network(title: str, patch: int) -> Any:
    """PlainConvUNet or ResidualEncoderUNet with the strides that nnU-Net plans for the patch at 1 mm."""
    from dynamic_network_architectures.architectures import unet
    from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props
    from torch import nn

    _, strides, kernels, shape, _ = get_pool_and_conv_props((1, 1, 1), [patch] * 3, 4, 999999)
    if list(shape) != [patch] * 3:
        raise SystemExit(f"nnU-Net would plan a patch of {list(shape)} in place of {patch}")
    stages = len(strides)
    plain = title == "PlainConvUNet"
    depth = [2] * stages if plain else list(BLOCKS[:stages])
    decoder = [2 if plain else 1] * (stages - 1)
    return getattr(unet, title)(2, stages, WIDTHS[:stages], nn.Conv3d, kernels, strides, depth, 2, decoder,
                                conv_bias=True, norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
                                nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True})


def count(name: str, patch: int) -> dict[str, float]:
    """Parameters and GFLOP, on shapes alone."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    network = build(name, patch).to("meta")
    image = torch.empty(1, 2, *[patch] * 3, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(image)
    trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    return {"parameters": trained, "millions": trained / 1e6, "gflop": counter.get_total_flops() / 1e9}


def peak(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Peak memory of one forward and backward pass, in GB (10⁹ bytes)."""
    import torch

    cuda = options.device == "cuda"
    if options.memory_gb and not cuda:
        import resource

        limit = int(options.memory_gb * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    torch.manual_seed(0)
    if not cuda:  # what the libraries' first use costs is not the network's
        torch.nn.Conv3d(1, 1, 3)(torch.zeros(1, 1, 8, 8, 8)).sum().backward()
        start_peak()
        before = status_bytes("VmRSS")
    network = build(name, options.patch).to(options.device).train()
    image = torch.randn(1, 2, *[options.patch] * 3, device=options.device)
    with torch.autocast(options.device, enabled=options.amp):
        loss = network(image).float().square().mean()
    loss.backward()
    if cuda:
        return {"gpu_gb": torch.cuda.max_memory_allocated() / 1e9}
    return {"cpu_gb": (status_bytes("VmHWM") - before) / 1e9}


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """A row of the table; the reason for what could not be measured is printed."""
    network = NETWORKS[name]
    sides = f"{network.multiple}·n, at least {network.minimum}" if network.multiple else "as nnU-Net plans"
    if network.input_size:
        sides += ", fixed"
    row: dict[str, Any] = {"title": network.title, "name": name, "sides": sides, "plans": network.plans_name,
                           "source": network.source}
    for part in ("count", "peak"):
        done = subprocess.run(
            [sys.executable, __file__, "--part", part, "--networks", name, "--patch", str(options.patch), "--device",
             options.device, "--memory-gb", str(options.memory_gb), *(["--amp"] if options.amp else [])],
            capture_output=True, text=True, check=False)
        if done.returncode == 0:
            row.update(json.loads(done.stdout.splitlines()[-1]))
        else:
            reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            if "can't allocate memory" in done.stderr or "not enough memory" in done.stderr or "MemoryError" in reason:
                row["cpu_gb"] = f"> {options.memory_gb:g}"
            print(f"{name}, {part}: {reason}", file=sys.stderr)
    return row


def main() -> None:
    """Run and print."""
    arguments = parser(__doc__, device=True)
    arguments.add_argument("--networks", nargs="+", choices=tuple(NETWORKS), default=list(NETWORKS), metavar="NAME")
    arguments.add_argument("--patch", type=int, default=128, help="side of the patch (default: %(default)s)")
    arguments.add_argument("--amp", action="store_true", help="mixed precision, as nnU-Net trains on a GPU")
    arguments.add_argument("--memory-gb", type=float, default=0, help="stop a network that needs more (CPU)")
    arguments.add_argument("--part", choices=("count", "peak"), help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.part:
        name = options.networks[0]
        print(json.dumps(count(name, options.patch) if options.part == "count" else peak(name, options)))
        return
    rows = []
    for name in options.networks:
        rows.append(measure(name, options))
        print(f"{name}: {rows[-1]}", file=sys.stderr, flush=True)
    print(table(rows, COLUMNS))
    record = machine()
    print(f"\npatch {options.patch}³; {record['processor']}, {record['cores']} cores; {record.get('gpu', 'no GPU')}; "
          f"torch {record['versions']['torch']}, monai {record['versions']['monai']}")
    write(options.json, {"patch": options.patch, "device": options.device, "amp": options.amp, "rows": rows})


if __name__ == "__main__":
    main()
