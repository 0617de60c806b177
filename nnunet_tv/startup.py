"""Let nnU-Net find the trainers of this package, at every start of the interpreter.

``nnunet_tv.pth`` imports this module; from Python 3.15 on ``nnunet_tv.start`` calls :func:`announce` (PEP 829). The
folder of ``nnunet_tv.trainers`` is appended to ``nnUNet_extTrainer``, nnU-Net's list of external trainer folders, after
folders that the user has set. Processes that nnU-Net spawns inherit the variable.
"""

import os
import sys

VARIABLE = "nnUNet_extTrainer"


def trainers_folder() -> str:
    """Folder of the nnU-Net trainers, in a wheel and in an editable install alike."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trainers")
    if os.path.isdir(here):
        return here
    from importlib.util import find_spec

    spec = find_spec("nnunet_tv.trainers")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"nnunet_tv.trainers is not installed beside {here}: reinstall nnunet-tv")
    return next(iter(spec.submodule_search_locations))


def extended(current: str, folder: str) -> str:
    """`current` (folders joined by ``os.pathsep``) with `folder` at its end, once.

    >>> extended("", "/ours"), extended("/mine", "/ours"), extended("/mine:/ours", "/ours")
    ('/ours', '/mine:/ours', '/mine:/ours')
    """
    folders = [entry for entry in current.split(os.pathsep) if entry.strip()]
    return os.pathsep.join(folders if folder in folders else [*folders, folder])


def announce() -> None:
    """Extend ``nnUNet_extTrainer``; a broken installation must not stop the interpreter."""
    try:
        os.environ[VARIABLE] = extended(os.environ.get(VARIABLE, ""), trainers_folder())
    except Exception as error:
        print(f"nnunet-tv: nnU-Net will not find our trainers: {error}", file=sys.stderr)


announce()
