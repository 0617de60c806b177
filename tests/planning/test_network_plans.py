"""From a name to a plans file to a network: every network of the list, and what is refused."""

import json

import pytest
import torch
from nnunet_data import write_raw_dataset
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_tv.architectures.registry import NAME_IN_PLANS, NETWORKS
from nnunet_tv.cli.plan import main
from nnunet_tv.planning import network_plans
from nnunet_tv.planning.dataset import plan_dataset
from nnunet_tv.planning.plans import UnsupportedPlan, build_network, recipe_plans, resolved
from nnunet_tv.utils.errors import NnunetTVError

#: Uneven where the network allows it, small where it is slow.
PATCHES = {name: (64, 64, 64) if NETWORKS[name].minimum == 64 else (32, 32, 48) for name in NETWORKS
           if not NETWORKS[name].planner}


def preprocessed(root):
    return root / "nnUNet_preprocessed" / "DatasetFCD"


def written(root, name):
    return json.loads((preprocessed(root) / f"{NETWORKS[name].plans_name}.json").read_text())


def planned_network(root, name, outputs, deep_supervision=False):
    """Plan a network as the command does; what the recipe trains, built from the plans file, and its patch."""
    if NETWORKS[name].extra:
        pytest.importorskip(NETWORKS[name].extra)
    plan_dataset("DatasetFCD", network=name, patch_size=PATCHES.get(name), processes=1)
    plans, note = recipe_plans(written(root, name), "3d_fullres")
    assert "kept" in note and plans["plans_name"] == NETWORKS[name].plans_name
    manager = PlansManager(plans).get_configuration("3d_fullres")
    return build_network(manager, 2, outputs, deep_supervision), manager


#: Seconds each; the rest are quick.
HEAVY = {"attention-unet", "seg-resnet", "unetr", "swin-unetr", "unetr-pp", "resenc", "ms-dsa-net"}
CASES = [pytest.param(name, outputs, marks=pytest.mark.slow if name == "swin-unetr" or (name in HEAVY and outputs == 1)
                      else ()) for name in NETWORKS for outputs in (1, 2)]


@pytest.mark.parametrize(("name", "outputs"), CASES)
def test_every_network_is_built_from_its_plan_and_can_be_trained(planned, name, outputs):
    torch.manual_seed(0)
    network, manager = planned_network(planned, name, outputs)
    image = torch.randn(1, 2, *manager.patch_size)
    output = network(image)
    assert output.shape == (1, outputs, *manager.patch_size) and torch.isfinite(output).all()
    (output * torch.randn(output.shape)).mean().backward()
    wrong = [parameter for parameter, value in network.named_parameters()
             if value.requires_grad and (value.grad is None or not torch.isfinite(value.grad).all())]
    assert wrong == []

    again = build_network(manager, 2, outputs, False)
    again.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(network.eval()(image), again.eval()(image))


@pytest.mark.parametrize("name", NETWORKS)
def test_plans_stand_beside_the_standard_ones_on_their_data(planned, name, monkeypatch):
    monkeypatch.setattr(network_plans, "find_spec", lambda _: True)
    stock = json.loads((preprocessed(planned) / "nnUNetPlans.json").read_text())
    plan_dataset("DatasetFCD", network=name, patch_size=PATCHES.get(name), processes=1)
    plans = written(planned, name)
    configuration = plans["configurations"]["3d_fullres"]
    standard = stock["configurations"]["3d_fullres"]
    assert plans["plans_name"] == NETWORKS[name].plans_name and list(plans["configurations"]) == ["3d_fullres"]
    assert configuration[NAME_IN_PLANS] == name
    assert name not in PATCHES or configuration["patch_size"] == list(PATCHES[name])
    for key in ("data_identifier", "spacing", "normalization_schemes", "use_mask_for_norm"):
        assert configuration[key] == standard[key]
    assert plans["transpose_forward"] == stock["transpose_forward"]


def test_resenc_is_what_nnunet_plans(planned):
    plan_dataset("DatasetFCD", network="resenc", processes=1)
    configuration = written(planned, "resenc")["configurations"]["3d_fullres"]
    assert configuration["architecture"]["network_class_name"].endswith("ResidualEncoderUNet")
    assert configuration["architecture"]["arch_kwargs"]["n_blocks_per_stage"][:3] == [1, 3, 4]
    left = {path.name for path in preprocessed(planned).glob("*lans*.json")}
    assert left == {"nnUNetPlans.json", "MSDSANetPlans.json", "ResEncUNetPlans.json"}


def test_nnunets_network_keeps_deep_supervision_in_the_loss_only_family(planned):
    network, manager = planned_network(planned, "plain-unet", 2, deep_supervision=True)
    assert len(network(torch.randn(2, 2, *manager.patch_size))) > 1
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_patch_is_128_by_default_and_the_command_prints_how_to_train_in_both_families(planned, capsys):
    assert main(["-d", "DatasetFCD", "--network", "sg-net", "-np", "1"]) == 0
    shown = capsys.readouterr().out
    assert "SGNetPlans.json" in shown
    for trainer in ("nnUNetTrainerDiceTV", "nnUNetTrainerDiceTVLoss"):
        assert f"nnUNetv2_train DatasetFCD 3d_fullres 0 -tr {trainer} -p SGNetPlans" in shown
    assert written(planned, "sg-net")["configurations"]["3d_fullres"]["patch_size"] == [128, 128, 128]


@pytest.mark.parametrize("name", [name for name in NETWORKS if not NETWORKS[name].planner])
def test_a_patch_that_does_not_fit_is_refused_with_one_that_does(nnunet_folders, name, capsys, monkeypatch):
    monkeypatch.setattr(network_plans, "find_spec", lambda _: True)
    write_raw_dataset(nnunet_folders / "nnUNet_raw" / "DatasetFCD", cases=2)
    with pytest.raises(SystemExit) as stop:
        main(["-d", "DatasetFCD", "--network", name, "--patch-size", "128", "127", "128"])
    assert stop.value.code == 2
    network = NETWORKS[name]
    assert (f"--patch-size: {network.title}'s patch sides must be multiples of {network.multiple} and at least "
            f"{network.minimum}; in [128, 127, 128] axis 1 is 127. The nearest that fits is 128 128 128"
            in capsys.readouterr().err)
    assert not preprocessed(nnunet_folders).exists()


def test_the_patch_of_nnunets_network_follows_its_strides(planned, capsys):
    assert main(["-d", "DatasetFCD", "--network", "plain-unet", "--patch-size", "32", "33", "32", "-np", "1"]) == 1
    assert "PlainConvUNet's patch sides must be multiples of 8" in (shown := capsys.readouterr().err)
    assert "axis 1 is 33. The nearest that fits is 32 32 32" in shown
    assert main(["-d", "DatasetFCD", "--network", "plain-unet", "--patch-size", "32", "32", "24", "-np", "1"]) == 0
    configuration = written(planned, "plain-unet")["configurations"]["3d_fullres"]
    assert configuration["patch_size"] == [32, 32, 24]


def test_a_network_whose_package_is_missing_is_refused_before_any_work(nnunet_folders, capsys, monkeypatch):
    monkeypatch.setattr(network_plans, "find_spec", lambda _: None)
    write_raw_dataset(nnunet_folders / "nnUNet_raw" / "DatasetFCD", cases=2)
    assert main(["-d", "DatasetFCD", "--network", "unetr"]) == 1
    assert "UNETR is built by monai, which is not installed: pip install 'nnunet-tv[monai]'" in capsys.readouterr().err
    assert not preprocessed(nnunet_folders).exists()


def test_an_unknown_network_lists_those_there_are():
    with pytest.raises(NnunetTVError, match="there is no network 'vnet'; there are ms-dsa-net, sg-net"):
        network_plans.choose("vnet", None, ())


def test_a_3d_network_is_not_planned_in_2d(planned, capsys):
    assert main(["-d", "DatasetFCD", "--network", "sg-net", "-c", "2d", "-np", "1"]) == 1
    assert "configuration 2d is 2D: SG-Net is a 3D network" in capsys.readouterr().err
    assert main(["-d", "DatasetFCD", "--network", "plain-unet", "-c", "2d", "-np", "1"]) == 0
    assert len(written(planned, "plain-unet")["configurations"]["2d"]["patch_size"]) == 2


@pytest.mark.parametrize("name", ["plain-unet", "resenc"])
def test_another_configuration_of_a_network_is_added(planned, name):
    plan_dataset("DatasetFCD", network=name, processes=1)
    first = written(planned, name)["configurations"]
    folder = preprocessed(planned)
    stock = json.loads((folder / "nnUNetPlans.json").read_text())
    network_plans.write_network_plans(stock, folder, ["2d"], NETWORKS[name], None)
    both = written(planned, name)["configurations"]
    assert set(both) == {"2d", "3d_fullres"} and both["3d_fullres"] == first["3d_fullres"]
    if name == "plain-unet":  # of another standard plan
        changed = {**stock, "original_median_spacing_after_transp": [9.0, 9.0, 9.0]}
        network_plans.write_network_plans(changed, folder, ["2d"], NETWORKS[name], None)
        assert set(written(planned, name)["configurations"]) == {"2d"}


def test_data_that_nnunet_preprocesses_apart_are_not_shared(planned, monkeypatch):
    folder = preprocessed(planned)
    stock = json.loads((folder / "nnUNetPlans.json").read_text())
    stock["configurations"]["3d_lowres"] = stock["configurations"]["3d_fullres"]
    own = {**stock, "configurations": {"3d_lowres": {**resolved(stock, "3d_lowres"), "data_identifier": "own"}}}
    monkeypatch.setattr(network_plans, "_plan", lambda *_: own)
    with pytest.raises(UnsupportedPlan, match=r"3d_lowres of ResidualEncoderUNet apart .*-pl nnUNetPlannerResEncM"):
        network_plans.write_network_plans(stock, folder, ["3d_lowres"], NETWORKS["resenc"], None)


def test_plans_of_an_earlier_standard_plan_are_named(planned, caplog):
    from nnunet_tv.planning.dataset import _name_outdated

    folder = preprocessed(planned)
    _name_outdated(folder, "ms-dsa-net")
    assert not caplog.records
    _name_outdated(folder, "sg-net")
    [warning] = [record.getMessage() for record in caplog.records]
    assert "MSDSANetPlans.json is of the plan before this one: write it again with --network ms-dsa-net" in warning
