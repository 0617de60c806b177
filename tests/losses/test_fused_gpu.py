"""Dice + TV on the GPU: the kernels interpreted and compiled without one, where they step aside, and on a real one."""

import logging
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import torch
from loss_data import random_logits
from packaging.version import Version

from nnunet_tv.losses import DiceLoss, DiceTVLoss, TotalVariation, fused_gpu

try:
    TRITON = Version(version("triton"))
except PackageNotFoundError:
    TRITON = Version("0")
# Triton 3.0's interpreter refuses a constant handed to an inner function, and its compiler takes other arguments.
needs_triton = pytest.mark.skipif(TRITON < Version("3.3"), reason=f"needs Triton 3.3 or later, found {TRITON}")


def composed(logits, target):
    return DiceLoss()(logits, target) + 0.1 * TotalVariation()(logits, target)


@needs_triton
def test_the_kernels_in_tritons_interpreter():
    checks = Path(__file__).with_name("fused_gpu_checks.py")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(checks)],
                          env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}, cwd=checks.parents[2],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout


class Recorder:
    """In a kernel's place: keeps the arguments of its launch."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __getitem__(self, grid):
        def launch(*arguments, **options):
            self.arguments, self.options = arguments, options

        return launch

    def compiled(self, capability):
        """The kernel for a GPU of that capability, specialised as Triton does at a launch."""
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        kinds = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16", torch.int16: "*i16",
                 torch.uint8: "*u8"}
        options = {name: self.options[name] for name in fused_gpu._OPTIONS}
        constants = {name: value for name, value in self.options.items() if name not in options}
        signature, attributes = dict.fromkeys(constants, "constexpr"), {}
        for index, (name, value) in enumerate(zip(self.kernel.arg_names, self.arguments, strict=False)):
            aligned = isinstance(value, torch.Tensor)
            if isinstance(value, torch.Tensor):
                signature[name] = kinds[value.dtype]
            elif isinstance(value, float):
                signature[name] = "fp32"
            elif value == 1:
                signature[name], constants[name] = "constexpr", 1
            else:
                signature[name], aligned = "i32" if value < 2**31 else "i64", value % 16 == 0
            if aligned:
                attributes[index,] = [["tt.divisibility", 16]]
        signature = {name: signature[name] for name in self.kernel.arg_names}
        return triton.compile(ASTSource(self.kernel, signature, constants, attributes),
                              target=GPUTarget("cuda", capability, 32), options=options)


@needs_triton
@pytest.mark.parametrize(("size", "dtype", "capability"), [
    ((16, 16, 128), torch.float32, 75), ((16, 16, 128), torch.bfloat16, 90), ((16, 16, 128), torch.float16, 86),
    ((9, 1), torch.float32, 80)], ids=str)
def test_the_kernels_compile_without_a_gpu(monkeypatch, tmp_path, size, dtype, capability):
    # the interpreter takes what the compiler would refuse
    from nnunet_tv.losses import fused_gpu_kernels as kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    recorders = {name: Recorder(getattr(kernels, name)) for name in ("sums", "finish", "gradient")}
    for name, recorder in recorders.items():
        monkeypatch.setattr(kernels, name, recorder)
    monkeypatch.setattr(fused_gpu, "require_labels", lambda valid, loss: None)
    logits, target = random_logits(size, dtype=dtype)
    fused_gpu.dice_tv(logits, target.bool(), dice_weight=1.0, tv_weight=0.1, smooth=1e-5, loss="Loss").backward()
    ptx = {name: recorder.compiled(capability).asm["ptx"] for name, recorder in recorders.items()}
    assert all(f".target sm_{capability}" in text for text in ptx.values())
    assert all(".local" not in text for text in ptx.values()), "no register array lies in memory"
    if dtype == torch.float32 and size[-1] == 128:
        assert "ld.global.v4.b32" in ptx["sums"] and "st.global.v4.b32" in ptx["gradient"], "16 bytes at a time"


@pytest.fixture
def on_the_cpu(monkeypatch):
    """As if the CPU were a GPU that was never tried."""
    works = fused_gpu._works
    works.cache_clear()
    monkeypatch.setattr(fused_gpu, "_DEVICES", ("cpu",))
    monkeypatch.setattr(fused_gpu, "_logged", [])
    yield
    works.cache_clear()


def fail(*_, **__):
    raise RuntimeError("out of registers\nand more")


def double(*_, **__):
    return 2 * _[0].sum()


@pytest.mark.parametrize(("way", "reason"), [("no Triton", "ModuleNotFoundError"), (fail, "RuntimeError: out of regis"),
                                             (double, "AssertionError")], ids=["no Triton", "failure", "other numbers"])
def test_a_failure_is_logged_once_and_the_reference_is_used(on_the_cpu, monkeypatch, caplog, way, reason):
    if way == "no Triton":
        monkeypatch.setitem(sys.modules, "triton", None)
        monkeypatch.delitem(sys.modules, "nnunet_tv.losses.fused_gpu_kernels", raising=False)
        monkeypatch.delattr("nnunet_tv.losses.fused_gpu_kernels", raising=False)
    else:
        monkeypatch.setattr(fused_gpu, "dice_tv", way)
    logits, target = random_logits((6, 7, 8))
    with caplog.at_level(logging.WARNING):
        for labels in (target, target.bool(), target):
            torch.testing.assert_close(DiceTVLoss()(logits, labels), composed(logits, target))
        with pytest.raises(NotImplementedError, match="takes labels 0 and 1, found 0, 2"):
            DiceTVLoss()(logits, 2 * target)
    assert len(caplog.records) == 1
    line = caplog.records[0].getMessage()
    assert "the reference implementation is used" in line and reason in line and "on cpu" in line and "\n" not in line


def test_what_they_do_not_take(on_the_cpu, monkeypatch):
    monkeypatch.setattr(fused_gpu, "_works", lambda *_: True)
    logits, target = random_logits((6, 7, 8))
    assert fused_gpu.applies(logits, target) and fused_gpu.applies(logits.half(), target.bool())
    for refused in ((logits.double(), target), (logits, target.to(torch.complex64)), (logits, target.to("meta")),
                    (logits, [target]), (logits[:0], target[:0])):
        assert not fused_gpu.applies(*refused)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not fused_gpu.applies(logits, target)


def test_per_patch_dice_and_ddp_are_composed_and_the_cpu_does_not_search_for_triton(monkeypatch):
    logits, target = random_logits((6, 7, 8))
    with monkeypatch.context() as patch:
        patch.setattr(fused_gpu, "_works", fail)
        torch.testing.assert_close(DiceTVLoss()(logits, target), composed(logits, target))
    monkeypatch.setattr(fused_gpu, "applies", fail)
    assert DiceTVLoss(batch_dice=False)(logits, target).isfinite()
    monkeypatch.setattr("nnunet_tv.losses.dice.over_ranks", lambda sums: sums[None])
    torch.testing.assert_close(DiceTVLoss(ddp=True)(logits, target), composed(logits, target))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("size", [(96, 112, 128), (33, 20, 11), (160, 96)], ids=str)
def test_on_a_gpu(size, dtype):
    logits, target = random_logits(size, device="cuda", dtype=dtype, labels=torch.int16, patches=4)
    memory = torch.channels_last_3d if len(size) == 3 else torch.channels_last
    for order in (torch.contiguous_format, memory):
        x = logits.detach().contiguous(memory_format=order).requires_grad_()
        assert fused_gpu.applies(x, target), "the kernels work here"
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        value = DiceTVLoss()(x, target)
        found, = torch.autograd.grad(2.0**16 * value, x)
        extra = torch.cuda.max_memory_allocated() - before - found.numel() * found.element_size()
        assert extra <= max(4 * x.numel(), 1 << 16), "not more than one copy of the logits in float32"
        full = x.detach().float().requires_grad_()
        expected = composed(full, target)
        gradient, = torch.autograd.grad(2.0**16 * expected, full)
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
        largest = float(gradient.abs().max())
        wrong = ~torch.isclose(found.float(), gradient, rtol=1e-2, atol=1e-4 * largest)
        # neighbours that differ in the last bit: the exponential's rounding decides which is larger
        assert wrong.float().mean() < 1e-5
