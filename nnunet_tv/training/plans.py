"""Read and edit nnU-Net plans: which network, which patch, and what the recipe can train."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from nnunet_tv.errors import NnunetTVError

MS_DSA_NET = "nnunet_tv.architectures.ms_dsa_net.MSDSANet"
#: The paper's patch size and patches per batch (one subject's).
PATCH_SIZE = (128, 128, 128)
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
        architecture={
            "network_class_name": network,
            "arch_kwargs": dict(network_arguments or {}),
            "_kw_requires_import": [],
        },
    )
    return plans


def with_ms_dsa_net(plans: dict, configuration: str, patch_size: Sequence[int] = PATCH_SIZE) -> dict:
    """A copy of `plans` with MS-DSA-Net at `patch_size`; sides that it cannot take raise ValueError."""
    from nnunet_tv.architectures.ms_dsa_net import check_input_size

    check_input_size(patch_size)
    return with_network(plans, configuration, network=MS_DSA_NET, patch_size=patch_size,
                        network_arguments={"input_size": [int(side) for side in patch_size]})


def recipe_plans(plans: dict, configuration: str) -> tuple[dict, str]:
    """Plans for the paper's recipe, and a line that says what was done to them.

    MS-DSA-Net at 128³ takes the place of nnU-Net's PlainConvUNet or ResidualEncoderUNet. A plan that
    names any other network keeps it and its patch size. The batch is always four patches of a subject.
    """
    configuration_plans = resolved(plans, configuration)
    name = configuration_plans["architecture"]["network_class_name"]
    patch_size = configuration_plans["patch_size"]
    if name.startswith(_HOST_NETWORKS) and name.rsplit(".", 1)[-1] in REPLACED_NETWORKS:
        size = "×".join(map(str, PATCH_SIZE))
        return with_ms_dsa_net(plans, configuration), (
            f"The plan's {name.rsplit('.', 1)[-1]} (patch {patch_size}, batch {configuration_plans['batch_size']}) "
            f"is replaced by MS-DSA-Net: patch {size}, batch of {PATCHES_PER_BATCH} patches of one subject.")
    kept = deepcopy(plans)
    kept["configurations"][configuration]["batch_size"] = PATCHES_PER_BATCH
    return kept, (f"The plan names {name} (patch {patch_size}); both are kept. "
                  f"Batch: {PATCHES_PER_BATCH} patches of one subject.")


def check_recipe(plans: dict, configuration: str, dataset_json: dict, trainer: str) -> None:
    """Refuse what the recipe cannot train, naming the loss-only trainer that may.

    Raises
    ------
    UnsupportedPlan
        2D or cascaded configurations.
    """
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
    """Refuse label definitions other than background and one foreground class.

    Raises
    ------
    UnsupportedPlan
        Regions, an ignore label, or more than one foreground class.
    """
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
    """Whether a network class gives nnU-Net's several outputs when asked to.

    nnU-Net's own do; others say so with a class attribute ``supports_deep_supervision``.
    """
    if network.startswith(_HOST_NETWORKS):
        return True
    return bool(getattr(pydoc.locate(network), "supports_deep_supervision", False))


def may_compile(network: str) -> bool:
    """Whether nnU-Net may compile a network class: unless it says no with a class attribute ``supports_compile``."""
    return bool(getattr(pydoc.locate(network), "supports_compile", True))


def build_network(configuration_manager: Any, input_channels: int, output_channels: int, deep_supervision: bool):
    """The network that a configuration names; ``deep_supervision`` is passed where the class takes it."""
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    name = configuration_manager.network_arch_class_name
    flag: bool | None = deep_supervision
    if not name.startswith(_HOST_NETWORKS):
        network = pydoc.locate(name)
        if network is None:
            raise UnsupportedPlan(f"the plan names the network {name}, which cannot be imported: install the "
                                  "package that holds it, or plan again")
        if "deep_supervision" not in inspect.signature(network).parameters:
            flag = None
    return get_network_from_plans(
        name, configuration_manager.network_arch_init_kwargs,
        configuration_manager.network_arch_init_kwargs_req_import,
        input_channels, output_channels, allow_init=True, deep_supervision=flag,
    )
