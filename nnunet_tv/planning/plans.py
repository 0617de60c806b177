"""Read and edit nnU-Net plans: which network, which patch, and what the recipe can train."""

import inspect
import pydoc
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from nnunet_tv.architectures.registry import NAME_IN_PLANS, NETWORKS, PATCH_SIZE, Network, find_network
from nnunet_tv.utils.errors import NnunetTVError

MS_DSA_NET = NETWORKS["ms-dsa-net"].class_name
#: The paper's patches per batch (one subject's).
PATCHES_PER_BATCH = 4
#: nnU-Net's own choices, in whose place the recipe puts MS-DSA-Net.
REPLACED_NETWORKS = ("PlainConvUNet", "ResidualEncoderUNet")
#: Labels that our trainers train, as dataset.json has them.
ONE_CLASS = {"labels": {"background": 0, "FCD": 1}}
_HOST_NETWORKS = "dynamic_network_architectures."


class UnsupportedPlan(NnunetTVError):
    """The plan or data set is outside what a trainer of ours can train."""


def network_class_name(plans: dict, configuration: str) -> str:
    """Dotted name of the network that a configuration builds, inherited settings included."""
    return resolved(plans, configuration)["architecture"]["network_class_name"]


def resolved(plans: dict, configuration: str) -> dict:
    """A configuration with what it inherits (nnU-Net's ``inherits_from``) filled in."""
    configurations = plans["configurations"]
    if configuration not in configurations:
        raise UnsupportedPlan(f"plans {plans.get('plans_name')!r} have no configuration {configuration!r}; "
                              f"they have {', '.join(configurations)}")
    own = configurations[configuration]
    parent = own.get("inherits_from")
    return {**(resolved(plans, parent) if parent else {}), **own}


def with_network(plans: dict, configuration: str, *, network: str, patch_size: Sequence[int],
                 network_arguments: dict[str, Any] | None = None) -> dict:
    """A copy of `plans` whose `configuration` builds `network` at `patch_size`.

    The preprocessed data stay those of the stock plan (``data_identifier`` is kept).
    """
    plans = deepcopy(plans)
    plans["configurations"][configuration].update(
        patch_size=[int(side) for side in patch_size],
        batch_size=PATCHES_PER_BATCH,
        architecture={"network_class_name": network, "arch_kwargs": dict(network_arguments or {}),
                      "_kw_requires_import": []})
    return plans


def with_listed_network(plans: dict, configuration: str, network: Network,
                        patch_size: Sequence[int] = PATCH_SIZE) -> dict:
    """A copy of `plans` with a network of ours or MONAI's at `patch_size`; PatchSizeError where it does not fit."""
    sides = network.rule.check(patch_size)
    plans = with_network(plans, configuration, network=network.class_name, patch_size=sides,
                         network_arguments=network.arguments_for(sides))
    plans["configurations"][configuration][NAME_IN_PLANS] = network.name
    return plans


def recipe_plans(plans: dict, configuration: str) -> tuple[dict, str]:
    """Plans for the paper's recipe, and a line for the log about what was changed.

    MS-DSA-Net at 128³ takes the place of nnU-Net's PlainConvUNet or ResidualEncoderUNet, unless the plan was
    written for that network (``nnunet-tv-plan --network plain-unet``). A plan that names any other network
    keeps it and its patch size. The batch is always four patches of a subject.
    """
    configuration_plans = resolved(plans, configuration)
    name = configuration_plans["architecture"]["network_class_name"]
    patch_size = configuration_plans["patch_size"]
    stock = name.startswith(_HOST_NETWORKS) and name.rsplit(".", 1)[-1] in REPLACED_NETWORKS
    if stock and NAME_IN_PLANS not in configuration_plans:
        size = "×".join(map(str, PATCH_SIZE))
        return with_listed_network(plans, configuration, NETWORKS["ms-dsa-net"]), (
            f"The plan's {name.rsplit('.', 1)[-1]} (patch {patch_size}, batch {configuration_plans['batch_size']}) "
            f"is replaced by MS-DSA-Net: patch {size}, batch of {PATCHES_PER_BATCH} patches of one subject.")
    kept = deepcopy(plans)
    kept["configurations"][configuration]["batch_size"] = PATCHES_PER_BATCH
    return kept, (f"The plan names {name} (patch {patch_size}); both are kept. "
                  f"Batch: {PATCHES_PER_BATCH} patches of one subject.")


def check_recipe(plans: dict, configuration: str, dataset_json: dict, trainer: str) -> None:
    """UnsupportedPlan, naming the loss-only trainer, for 2D or cascaded configurations and other labels."""
    settings = resolved(plans, configuration)
    problem = None
    if len(settings["patch_size"]) != 3:
        problem = f"configuration {configuration} is {len(settings['patch_size'])}D"
    elif settings.get("previous_stage"):
        problem = f"configuration {configuration} is a cascade (it follows {settings['previous_stage']})"
    if problem:
        raise UnsupportedPlan(f"{trainer} trains 3D configurations without cascade, but {problem}. Use "
                              f"{loss_only_name(trainer)}, which keeps nnU-Net's network and recipe.")
    check_labels(dataset_json, trainer, alternative=f"nnU-Net's own trainer, or {loss_only_name(trainer)} "
                                                    "with labels that are background and one foreground class")


def check_labels(dataset_json: dict, trainer: str, alternative: str = "nnU-Net's own trainers") -> None:
    """UnsupportedPlan for regions, an ignore label, or more than one foreground class."""
    labels = dataset_json["labels"]
    foreground = {name: value for name, value in labels.items() if name not in ("background", "ignore")}
    problem = None
    if any(isinstance(value, (list, tuple)) for value in labels.values()):
        problem = f"regions ({labels})"
    elif "ignore" in labels:
        problem = f"an ignore label ({labels['ignore']})"
    elif len(foreground) != 1 or next(iter(foreground.values())) != 1:
        problem = f"foreground labels {foreground}"
    if problem:
        raise UnsupportedPlan(f"{trainer} trains background 0 and one foreground class 1, but dataset.json has "
                              f"{problem}. Use {alternative}.")


def loss_only_name(trainer: str) -> str:
    """Name of the loss-only trainer with the loss of a recipe trainer.

    >>> loss_only_name("nnUNetTrainerDiceTV_tv0p05_5epochs"), loss_only_name("nnUNetTrainerDice")
    ('nnUNetTrainerDiceTVLoss_tv0p05_5epochs', 'nnUNetTrainerDiceOnlyLoss')
    """
    name, _, settings = trainer.partition("_")
    name = {"nnUNetTrainerDice": "nnUNetTrainerDiceOnly"}.get(name, name) + "Loss"
    return f"{name}_{settings}" if settings else name


def takes_deep_supervision(network: str) -> bool:
    """Whether a network class has the several outputs of deep supervision.

    nnU-Net's own do; others set a class attribute ``supports_deep_supervision``.
    """
    if network.startswith(_HOST_NETWORKS):
        return True
    return bool(getattr(pydoc.locate(network), "supports_deep_supervision", False))


def may_compile(network: str) -> bool:
    """Whether nnU-Net may compile a network class; a row of the registry can exclude it."""
    listed = find_network(network)
    return listed is None or listed.compiles


def build_network(configuration_manager: Any, input_channels: int, output_channels: int, deep_supervision: bool):
    """The network that a configuration names; ``deep_supervision`` is passed where the class takes it.

    UnsupportedPlan where the class cannot be imported or its ``input_size`` is not the plan's patch size;
    PatchSizeError where the network does not take that size.
    """
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    name = configuration_manager.network_arch_class_name
    arguments = configuration_manager.network_arch_init_kwargs
    _check_patch(name, arguments, configuration_manager.patch_size)
    flag: bool | None = deep_supervision
    host = name.startswith(_HOST_NETWORKS)
    if not host:
        network_class: Any = pydoc.locate(name)
        if network_class is None:
            raise UnsupportedPlan(f"the plan names the network {name}, which cannot be imported: install the "
                                  "package that holds it, or plan again")
        if "deep_supervision" not in inspect.signature(network_class).parameters:
            flag = None
    network = get_network_from_plans(
        name, arguments, configuration_manager.network_arch_init_kwargs_req_import,
        input_channels, output_channels, allow_init=True, deep_supervision=flag)
    if host and not deep_supervision:
        # nnU-Net's U-Nets have outputs at every scale; DDP must not wait for unused ones
        for layer in getattr(getattr(network, "decoder", None), "seg_layers", ())[:-1]:
            layer.requires_grad_(False)
    return network


def _check_patch(name: str, arguments: dict, patch_size: Sequence[int]) -> None:
    listed = find_network(name)
    if listed is None:
        return
    listed.rule.check(patch_size)
    if listed.input_size and list(arguments.get("input_size", ())) != list(patch_size):
        raise UnsupportedPlan(f"the plan builds {listed.title} for input_size {arguments.get('input_size')}, but its "
                              f"patch_size is {list(patch_size)}: plan again (nnunet-tv-plan --network {listed.name} "
                              "--patch-size ...)")
