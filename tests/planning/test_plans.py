from copy import deepcopy

import pytest
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager

from nnunet_tv.architectures.registry import NAME_IN_PLANS, NETWORKS, PatchSizeError
from nnunet_tv.planning.plans import (
    MS_DSA_NET,
    UnsupportedPlan,
    build_network,
    check_labels,
    check_recipe,
    may_compile,
    recipe_plans,
    resolved,
    takes_deep_supervision,
)

LABELS = {"labels": {"background": 0, "FCD": 1}}


def plans(network="dynamic_network_architectures.architectures.unet.PlainConvUNet", patch=(48, 64, 80)):
    full = {"data_identifier": "nnUNetPlans_3d_fullres", "patch_size": list(patch), "batch_size": 2,
            "architecture": {"network_class_name": network, "arch_kwargs": {"n_stages": 5},
                             "_kw_requires_import": ["x"]}}
    return {"plans_name": "nnUNetPlans", "configurations": {
        "2d": {**full, "patch_size": list(patch[1:])}, "3d_fullres": full, "3d_lowres": full,
        "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
        "mine": {"inherits_from": "3d_fullres"}}}


@pytest.mark.parametrize("network", ["dynamic_network_architectures.architectures.unet.PlainConvUNet",
                                     "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"])
@pytest.mark.parametrize("configuration", ["3d_fullres", "mine"])
def test_the_recipe_replaces_nnunets_networks(network, configuration):
    stock = plans(network)
    before = deepcopy(stock)
    edited, note = recipe_plans(stock, configuration)
    assert stock == before
    result = resolved(edited, configuration)
    assert result["patch_size"] == [128, 128, 128] and result["batch_size"] == 4
    assert result["architecture"] == {"network_class_name": MS_DSA_NET,
                                      "arch_kwargs": {"input_size": [128, 128, 128]}, "_kw_requires_import": []}
    assert result["data_identifier"] == "nnUNetPlans_3d_fullres"
    assert "replaced by MS-DSA-Net: patch 128×128×128" in note and network.rsplit(".", 1)[1] in note


@pytest.mark.parametrize(("network", "name"), [
    (MS_DSA_NET, None), ("other_package.Network", None), ("other_package.PlainConvUNet", None),
    ("dynamic_network_architectures.architectures.unet.PlainConvUNet", "plain-unet")])
@pytest.mark.parametrize("configuration", ["3d_fullres", "mine"])
def test_the_recipe_keeps_any_other_network_or_one_that_the_plan_was_written_for(network, name, configuration):
    stock = plans(network)
    if name:
        stock["configurations"]["3d_fullres"][NAME_IN_PLANS] = name
    edited, note = recipe_plans(stock, configuration)
    result = resolved(edited, configuration)
    assert result["architecture"]["network_class_name"] == network
    assert result["patch_size"] == [48, 64, 80] and result["batch_size"] == 4
    assert network in note and "kept" in note


def test_unknown_configuration_lists_what_there_is():
    with pytest.raises(UnsupportedPlan, match="no configuration '3d_ful'; they have 2d, 3d_fullres"):
        resolved(plans(), "3d_ful")


def test_2d_and_cascade_are_refused_with_the_loss_only_name():
    with pytest.raises(UnsupportedPlan, match=r"2d is 2D\. Use nnUNetTrainerDiceTVLoss"):
        check_recipe(plans(), "2d", LABELS, "nnUNetTrainerDiceTV")
    with pytest.raises(UnsupportedPlan, match=r"cascade \(it follows 3d_lowres\). Use nnUNetTrainerDiceOnlyLoss"):
        check_recipe(plans(), "3d_cascade_fullres", LABELS, "nnUNetTrainerDice")
    check_recipe(plans(), "3d_fullres", {"labels": {"background": 0, "lesion": 1}}, "nnUNetTrainerDice")


@pytest.mark.parametrize(("labels", "found"), [
    ({"background": 0, "whole": [1, 2], "core": 2}, "regions"),
    ({"background": 0, "FCD": 1, "ignore": 2}, "an ignore label"),
    ({"background": 0, "FCD": 1, "other": 2}, "foreground labels"),
    ({"background": 0}, "foreground labels"),
    ({"background": 0, "FCD": 2}, "foreground labels"),
])
def test_labels_beyond_one_class_are_refused(labels, found):
    with pytest.raises(UnsupportedPlan, match=rf"T trains background 0 and one foreground class 1, but .*{found}"):
        check_labels({"labels": labels}, "T")


def test_deep_supervision_and_compiling_by_network():
    assert takes_deep_supervision("dynamic_network_architectures.architectures.unet.PlainConvUNet")
    assert not takes_deep_supervision(MS_DSA_NET) and not takes_deep_supervision("tiny_network.TinyNetwork")
    assert may_compile(MS_DSA_NET) and may_compile("tiny_network.TinyNetwork")
    assert not may_compile(NETWORKS["sg-net"].class_name)


def manager(network, patch_size, **arguments):
    return ConfigurationManager({"patch_size": list(patch_size), "architecture": {
        "network_class_name": network, "arch_kwargs": arguments, "_kw_requires_import": []}})


def test_a_plan_whose_patch_was_changed_by_hand_is_refused():
    with pytest.raises(PatchSizeError, match=r"multiples of 8 .*axis 2 is 60\. The nearest that fits is 64 64 64"):
        build_network(manager(NETWORKS["sg-net"].class_name, (64, 64, 60)), 2, 2, False)
    with pytest.raises(UnsupportedPlan, match=r"input_size \[64, 64, 64\], but its patch_size is \[64, 64, 96\]: plan "
                                              "again .*--network unetr-pp"):
        build_network(manager(NETWORKS["unetr-pp"].class_name, (64, 64, 96), input_size=[64] * 3), 2, 2, False)


def test_a_network_that_cannot_be_imported_is_named():
    with pytest.raises(UnsupportedPlan, match=r"names the network missing\.Net, which cannot be imported"):
        build_network(manager("missing.Net", (8, 8, 8)), 2, 2, False)
