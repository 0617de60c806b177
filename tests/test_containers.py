"""The lock file serves every supported Python, and both container definitions install from it what the other does."""

import re
import shlex
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import test_packaging
from command_lines import parse
from packaging.markers import default_environment
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "containers" / "Dockerfile").read_text(encoding="utf-8")
APPTAINER = (ROOT / "containers" / "apptainer.def").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", line)]
#: What Docker sets up alone: Apptainer runs as the user, with the user's home folder, and --nv chooses the GPU.
DOCKER_ONLY = {"HOME", "USER", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"}


def entries(lock=LOCK):
    """(requirement, number of hashes) of every entry."""
    for entry in re.split(r"\n(?=[a-z0-9])", lock.split("\n", 2)[2]):
        yield Requirement(entry.partition("\\")[0].strip()), entry.count("--hash=sha256:")


def environment(python):
    return {**default_environment(), "python_version": python, "python_full_version": f"{python}.0",
            "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "extra": ""}


def applies(requirement, python):
    return requirement.marker is None or requirement.marker.evaluate(environment(python))


def section(name):
    """Lines of a section of the Apptainer definition."""
    return [line.strip() for line in APPTAINER.partition(f"\n%{name}\n")[2].partition("\n%")[0].splitlines() if line]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_file_pins_every_dependency_within_its_bounds(python):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    extras = re.search(r"^LOCKED = (.*)$", makefile, re.M)[1].split()
    assert set(extras) == set(PROJECT["optional-dependencies"]) - {"test", "docs"}
    required = [Requirement(line) for line in (
        *PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra]))]
    pinned = [requirement for requirement, _ in entries() if applies(requirement, python)]
    versions = {requirement.name: str(requirement.specifier).removeprefix("==") for requirement in pinned}
    assert len(versions) == len(pinned) > len(required)
    for requirement in required:
        if applies(requirement, python):
            name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            assert requirement.specifier.contains(versions[name]), (requirement, versions[name])


def test_the_lock_file_has_hashes_and_no_address():
    assert all(hashes and re.fullmatch(r"==[^*,]+", str(requirement.specifier)) for requirement, hashes in entries())
    assert not re.search(r"://| @ |^-", LOCK, re.M)


def test_every_dependency_has_a_lower_bound():
    for line in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        assert any(bound.operator == ">=" for bound in Requirement(line).specifier), line


def test_both_containers_are_made_from_the_same_image_and_script():
    image = re.search(r"^FROM (\S+) AS dependencies$", DOCKERFILE, re.M)[1]
    assert f"\nFrom: {image}\n" in APPTAINER
    assert re.fullmatch(r"python:([\d.]+)-slim-\w+", image)[1] in PYTHONS
    assert re.findall(r"^FROM (?!dependencies\b)(\S+)", DOCKERFILE, re.M) == [image]
    assert "sh /build/install.sh /build/requirements.lock" in DOCKERFILE
    assert any("sh /source/containers/install.sh /source/requirements.lock" in line for line in section("post"))
    labels = dict(re.findall(r'(org\.\S+?)="([^"$]*)', DOCKERFILE))
    assert labels == dict(line.replace("{{ REVISION }}", "").split(" ", 1) for line in section("labels"))


def test_both_containers_are_made_from_the_sources_of_the_package():
    sources = {*test_packaging.SOURCE, "requirements.lock", "containers/install.sh"}
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignore[1] == "*" and {line[1:] for line in ignore if line.startswith("!")} == sources
    copied = [line.split() for line in section("files")]
    assert {source for source, _ in copied} == sources
    assert all(target == f"/source/{source}" for source, target in copied)


def test_both_containers_set_the_same_environment():
    assignments = re.search(r"^ENV (.*?[^\\])$", DOCKERFILE, re.M | re.S)[1].replace("\\\n", " ")
    docker = dict(word.split("=", 1) for word in shlex.split(assignments))
    apptainer = dict(line.removeprefix("export ").split("=", 1) for line in section("environment") if "=" in line)
    for variable, value in apptainer.items():  # the user's own folders come first: Apptainer passes variables on
        apptainer[variable] = re.sub(r'^"\$\{' + variable + r':-(.*)\}"$', r"\1", value)
    assert {name: value for name, value in docker.items() if name not in DOCKER_ONLY} == apptainer
    assert docker.keys() >= DOCKER_ONLY


def test_the_container_runs_as_an_ordinary_user():
    assert int(re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.M)[-1]) >= 1000


def installed(tmp_path, build):
    """Calls of apt-get and pip by install.sh, each with the text of the requirements file that it was given."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("apt-get", "pip", "rm"):
        (commands / name).write_text(f"""#!/bin/sh
echo "# {name} $*" >> '{tmp_path}/calls'
for last; do :; done
if [ -f "$last" ]; then cat "$last" >> '{tmp_path}/calls'; fi
""")
        (commands / name).chmod(0o755)
    subprocess.run(["sh", ROOT / "containers" / "install.sh", ROOT / "requirements.lock"], check=True,
                   env={"PATH": f"{commands}:/usr/bin:/bin", "TMPDIR": str(tmp_path), "TORCH_BUILD": build})
    calls = re.findall(r"^# (.*)\n((?:(?!# (?:apt|pip|rm)).*\n)*)", (tmp_path / "calls").read_text(), re.M)
    assert [call.split()[0] for call, _ in calls if not call.startswith("rm")] == (
        ["apt-get"] * 2 + ["pip"] * (2 if build == "locked" else 3))
    return [(call, text) for call, text in calls if not call.startswith("rm")]


def test_the_locked_build_installs_the_lock_file_alone(tmp_path):
    (_, apt, first, second) = installed(tmp_path, "locked")
    assert apt[0].split()[-2:] == ["tini", "g++"]
    assert [requirement.name for requirement, _ in entries("\n\n" + first[1])] == ["setuptools"]
    assert second[1].strip() == LOCK.strip()
    assert all("--require-hashes" in call and "--no-deps" in call for call, _ in (first, second))


@pytest.mark.parametrize("build", ["cpu", "cu126"])
def test_another_build_of_torch_leaves_out_the_locked_cuda_libraries(tmp_path, build):
    (_, apt, _, others, torch) = installed(tmp_path, build)
    assert ("g++" in apt[0]) == (build != "cpu")
    locked = [requirement for requirement, _ in entries()]
    left_out = {"torch", "torchvision", "triton", "cuda-toolkit", "nvidia-cublas", "nvidia-cudnn-cu13"}
    assert left_out < {requirement.name for requirement in locked}
    kept = [requirement for requirement, hashes in entries("\n\n" + others[1]) if hashes]
    assert "--require-hashes" in others[0] and not {requirement.name for requirement in kept} & left_out
    assert not [requirement for requirement in kept if requirement.name.startswith(("nvidia", "cuda"))]
    chosen = [Requirement(line) for line in torch[1].splitlines()]
    expected = [requirement for requirement in locked if requirement.name in ("torch", "torchvision")]
    assert [requirement.name for requirement in chosen] == [requirement.name for requirement in expected]
    for one, other in zip(chosen, expected, strict=True):
        assert str(one.specifier) == f"{other.specifier}+{build}" and one.marker == other.marker
    assert {requirement for requirement in locked if requirement not in kept} >= set(expected)


def test_the_slurm_script_trains_the_run_of_its_array_task(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    script = re.search(r"```sh\n(#!/bin/bash\n.*?)```", page, re.S)[1]
    stub = tmp_path / "apptainer"
    stub.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    stub.chmod(0o755)
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True, env={
        "PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/home/me", "SLURM_ARRAY_TASK_ID": "7",
        "SLURM_CPUS_PER_TASK": "8"})
    words = done.stdout.splitlines()
    image = words.index("/home/me/nnunet-tv.sif")
    assert words[:image] == ["run", "--nv", "--bind", "/scratch/fcd:/data", "--env", "nnUNet_n_proc_DA=7"]
    options = parse(words[image + 1:], monkeypatch)
    assert (options.fold, options.tr, options.c) == ("7", "nnUNetTrainerDiceTV", True)


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}") or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, ROOT / "containers" / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
