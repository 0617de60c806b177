#!/bin/sh
# Install the packages that a lock file pins, for the Python on PATH of a Debian image: install.sh requirements.lock
# Dockerfile and apptainer.def run it as root. TORCH_BUILD chooses PyTorch's build:
#   locked       the wheels of the lock file, with the CUDA libraries they require
#   cpu, cu126   the locked version in that build, from an index that /etc/pip.conf names
set -eu
lock=$1
build=${TORCH_BUILD:-locked}
export DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1

# tini passes signals on and reaps nnU-Net's workers; torch.compile, which nnU-Net uses on GPUs, needs a compiler.
compiler=g++
[ "$build" != cpu ] || compiler=
apt-get update
apt-get install --yes --no-install-recommends tini $compiler
rm -rf /var/lib/apt/lists/*

# Print the entries of the lock file whose names match a pattern, or with "!" the others.
entries() {
    awk -v pattern="^($2)==" -v other="$1" '/^[a-z0-9]/ { chosen = ($0 ~ pattern) != (other == "!") } chosen' "$lock"
}

work=$(mktemp -d)
# Packages without a wheel are built with the locked setuptools, not with what an isolated build would download.
entries = setuptools > "$work/setuptools"
pip install --no-deps --require-hashes --requirement "$work/setuptools"
if [ "$build" = locked ]; then
    pip install --no-deps --no-build-isolation --require-hashes --requirement "$lock"
else
    gpu='torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+'
    entries ! "$gpu" > "$work/others"
    entries = 'torch|torchvision' | sed -nE "s/^(torch[a-z]*==[^ ;]+)([^\\]*).*/\1+$build\2/p" > "$work/torch"
    pip install --no-deps --no-build-isolation --require-hashes --requirement "$work/others"
    pip install --requirement "$work/torch"
fi
rm -r "$work"
