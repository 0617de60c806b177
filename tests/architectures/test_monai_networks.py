"""MONAI's networks: the counts of the published comparators, and the error where MONAI is missing."""

import sys

import pytest
import torch

from nnunet_tv.architectures import monai_networks
from nnunet_tv.utils.errors import NnunetTVError


@pytest.mark.parametrize(("build", "settings", "millions"), [
    ("attention_unet", {}, 5.910), ("res_unet", {}, 4.806), ("res_unet", {"num_res_units": 0}, 1.979)])
def test_the_comparators_of_sg_net_have_their_published_size(build, settings, millions):
    pytest.importorskip("monai")
    network = getattr(monai_networks, build)(2, 1, **settings)
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 3) == millions


def test_unetr_leaves_no_trained_parameter_without_a_gradient():
    pytest.importorskip("monai")
    network = monai_networks.unetr(1, 2, input_size=[16, 16, 32], hidden_size=48, mlp_dim=48)
    network(torch.randn(1, 1, 16, 16, 32)).sum().backward()
    assert [name for name, parameter in network.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


@pytest.mark.parametrize(("build", "arguments", "title"), [
    ("attention_unet", {}, "AttentionUnet"), ("res_unet", {}, "UNet"), ("seg_resnet", {}, "SegResNet"),
    ("unetr", {"input_size": [16, 16, 16]}, "UNETR"), ("swin_unetr", {}, "SwinUNETR")])
def test_without_monai_the_line_to_type_is_given(monkeypatch, build, arguments, title):
    monkeypatch.setitem(sys.modules, "monai", None)
    monkeypatch.setitem(sys.modules, "monai.networks.nets", None)
    with pytest.raises(NnunetTVError, match=rf"{title} is a network of MONAI.*pip install 'nnunet-tv\[monai\]'"):
        getattr(monai_networks, build)(2, 2, **arguments)
