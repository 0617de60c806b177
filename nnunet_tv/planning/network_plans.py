"""Plans files that name a network: the standard plan, on its preprocessed data, with another architecture."""

import json
import math
import pydoc
from collections.abc import Sequence
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nnunet_tv.architectures.registry import NAME_IN_PLANS, NETWORKS, PATCH_SIZE, Network, PatchRule
from nnunet_tv.planning.plans import UnsupportedPlan, resolved, with_listed_network
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, write_json


def choose(network: str | None, patch_size: Sequence[int] | None,
           configurations: Sequence[str]) -> tuple[Network, Sequence[int] | None] | None:
    """Network and patch size to plan beside the standard plan, checked before any work; None without either.

    MS-DSA-Net where only a patch size is given, 128³ where only a network; the patch of nnU-Net's own networks is left
    to its planner. NnunetTVError for an unknown network or one whose package is not installed, for a patch that it
    cannot take (PatchSizeError), and for a 2D configuration of a 3D network (UnsupportedPlan).
    """
    if network is None and patch_size is None:
        return None
    name = network or "ms-dsa-net"
    if name not in NETWORKS:
        raise NnunetTVError(f"there is no network {name!r}; there are {', '.join(NETWORKS)}")
    chosen = NETWORKS[name]
    if chosen.extra and find_spec(chosen.extra) is None:
        raise NnunetTVError(f"{chosen.title} is built by {chosen.extra}, which is not installed: pip install "
                            f"'nnunet-tv[{chosen.extra}]'")
    if not chosen.planner:
        patch_size = chosen.rule.check(patch_size or PATCH_SIZE)
    if patch_size is not None and "2d" in configurations:
        raise refuse_2d(chosen, "2d", patch_size, 2)
    return chosen, patch_size


def write_network_plans(plans: dict, preprocessed: Path, configurations: Sequence[str], network: Network,
                        patch_size: Sequence[int] | None) -> Path:
    """Write a network's plans file, whose configurations share the standard plan's preprocessed data.

    Each of `configurations` will stand alone (``inherits_from`` resolved). Other configurations of an existing file
    stay, unless the standard plan has changed since. `network` and `patch_size` are those of :func:`choose`.
    UnsupportedPlan for a cascade, a 2D configuration with a 3D patch, or data that nnU-Net preprocesses apart;
    PatchSizeError for a patch that the network cannot take.
    """
    for configuration in configurations:
        settings = resolved(plans, configuration)
        sides = len(settings["patch_size"])
        if patch_size is not None and sides != len(patch_size):
            raise refuse_2d(network, configuration, patch_size, sides)
        if settings.get("previous_stage"):
            raise UnsupportedPlan(f"configuration {configuration} is a cascade, which {network.title} is not planned "
                                  "for: leave --network and --patch-size out and use a loss-only trainer")
    if network.planner:
        base, edited = _planned_by_nnunet(plans, preprocessed, configurations, network, patch_size)
    else:
        base, patch = plans, patch_size or PATCH_SIZE
        edited = {c: resolved(with_listed_network(plans, c, network, patch), c) for c in configurations}
    kept = {configuration: {key: value for key, value in alone.items() if key not in ("inherits_from", "next_stage")}
            for configuration, alone in edited.items()}
    path = preprocessed / f"{network.plans_name}.json"
    written = {**base, "plans_name": network.plans_name, "configurations": kept}
    if path.is_file():
        written["configurations"] = {**_others(read_json(path), written), **kept}
    write_json(written, path)
    return path


def _others(before: dict, now: dict) -> dict[str, dict]:
    """Configurations of an earlier plans file, if all that stands beside them is the same."""
    def beside(plans: dict) -> dict:
        return json.loads(json.dumps({key: value for key, value in plans.items() if key != "configurations"}))

    return before["configurations"] if beside(before) == beside(now) else {}


def refuse_2d(network: Network, configuration: str, patch_size: Sequence[int], sides: int) -> UnsupportedPlan:
    """The error for a 2D configuration and a 3D patch."""
    return UnsupportedPlan(f"the patch has {len(patch_size)} sides, configuration {configuration} is {sides}D: "
                           f"{network.title} is a 3D network; leave that configuration out")


def _planned_by_nnunet(plans: dict, preprocessed: Path, configurations: Sequence[str], network: Network,
                       patch_size: Sequence[int] | None) -> tuple[dict, dict[str, dict]]:
    """nnU-Net's own network as its planner plans it, marked so that the recipe keeps it."""
    base = plans if network.planner.endswith(".ExperimentPlanner") else _plan(preprocessed.name, network)
    edited = {}
    for configuration in configurations:
        alone = deepcopy(resolved(base, configuration))
        data = resolved(plans, configuration)["data_identifier"]
        if alone["data_identifier"] != data:
            planner = network.planner.rsplit(".", 1)[1]
            raise UnsupportedPlan(
                f"nnU-Net preprocesses configuration {configuration} of {network.title} apart from the standard "
                f"plan's: leave it out, or plan it with nnU-Net's own commands (-pl {planner})")
        if patch_size is not None:
            alone["patch_size"] = list(_rule_of_plan(network, alone).check(patch_size))
        edited[configuration] = {**alone, NAME_IN_PLANS: network.name}
    return base, edited


def _rule_of_plan(network: Network, configuration: dict) -> PatchRule:
    """Sides that the planned strides divide, and that leave more than a voxel at the bottom."""
    strides = configuration["architecture"]["arch_kwargs"]["strides"]
    z, y, x = (math.prod(axis) for axis in zip(*strides, strict=True))
    return PatchRule(network.title, (z, y, x), (2 * z, 2 * y, 2 * x))


def _plan(dataset: str, network: Network) -> dict:
    """Plans of nnU-Net's planner for the network, which writes no plans file."""
    from nnunetv2.utilities.json_export import recursive_fix_for_json_export

    planner_class: Any = pydoc.locate(network.planner)
    planner = planner_class(dataset, plans_name=network.plans_name)
    planner.save_plans = recursive_fix_for_json_export  # it would merge with an older file, and not atomically
    return planner.plan_experiment()
