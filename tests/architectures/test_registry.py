"""The rows of the registry are correct, and so is their table in the docs."""

import inspect
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

from nnunet_tv.architectures.registry import NETWORKS, PatchRule, PatchSizeError, find_network

NAMES = list(NETWORKS)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_can_be_used(name):
    network = NETWORKS[name]
    assert network.name == name and network.source
    assert network.plans_name.endswith("Plans") and "__" not in network.plans_name
    assert bool(network.class_name) != bool(network.planner)
    if network.planner:
        assert pydoc.locate(network.planner) is not None
        return
    parameters = inspect.signature(pydoc.locate(network.class_name)).parameters
    assert {"input_channels", "num_classes", *network.arguments} <= set(parameters)
    assert ("input_size" in parameters) is network.input_size
    assert find_network(network.class_name).rule.multiple == network.rule.multiple


def test_plans_have_names_of_their_own():
    names = [network.plans_name for network in NETWORKS.values()] + ["nnUNetPlans"]
    assert len(set(names)) == len(names)


def test_the_list_costs_nothing_to_import():
    code = "import sys, nnunet_tv.architectures.registry; print('torch' in sys.modules, 'numpy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(("patch", "found"), [
    ((64, 80), r"N takes 3D patches: expected three sides, found \[64, 80\]"),
    ((64, 80, 64), r"of 32 and at least 64; in \[64, 80, 64\] axis 1 is 80\. The nearest that fits is 64 96 64"),
    ((32, 64, 70.5), r"axis 0 is 32, axis 2 is 70\.5\. The nearest that fits is 64 64 64"),
    ((64, 0, -32), r"axis 1 is 0, axis 2 is -32\. The nearest that fits is 64 64 64"),
])
def test_a_patch_that_does_not_fit_is_named_with_one_that_does(patch, found):
    with pytest.raises(PatchSizeError, match=found):
        PatchRule("N", (32, 32, 32), (64, 64, 64)).check(patch)


def test_rules_by_axis():
    rule = PatchRule("N", (1, 16, 32), (2, 32, 64))
    assert rule.check([5, 48, 64]) == (5, 48, 64)
    with pytest.raises(PatchSizeError, match=r"multiples of 1, 16, 32 \(by axis\) and at least 2, 32, 64 \(by axis\)"):
        rule.check([5, 40, 64])


@pytest.mark.parametrize("name", [name for name in NAMES if not NETWORKS[name].planner])
def test_what_is_offered_fits(name):
    rule = NETWORKS[name].rule
    for side in range(-5, 200, 7):
        offered = rule.nearest((side, side + 1, 131))
        assert rule.check(offered) == offered


@pytest.mark.parametrize("name", NAMES)
def test_the_page_on_networks_has_a_line_that_is_up_to_date(name):
    network = NETWORKS[name]
    lines = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if line.startswith(f"| {network.title} | {name} |")]
    assert f"| {network.plans_name} | {network.source} |" in line
    sides = f"| {network.multiple}·n, at least {network.minimum}" if network.multiple else "| as nnU-Net plans |"
    assert sides in line and (", fixed |" in line) is network.input_size
