"""Settings in trainer names: ``nnUNetTrainerDiceTV_tv0p05_5epochs``.

One canonical spelling: the loss's settings first, epochs last, no trailing zeros, no default value.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nnunet_tv.losses import PlusTV

_LENIENT_EPOCHS = re.compile(r"(\d+)epochs?")
_LENIENT_NUMBER = r"(\d+(?:[p.]\d+)?)"


@dataclass(frozen=True)
class LossSpec:
    """A loss as data: its class and the settings that a trainer's name may carry.

    A loss without a ``tv_weight`` of its own gets one from :class:`~nnunet_tv.losses.PlusTV`, 0 by default:
    so total variation is added to any loss by its trainer's name.

    Attributes
    ----------
    loss : class
        Called with its settings, ``ddp`` and what it takes of a plan's grid, as keywords.
    settings : dict
        Code in the name (``tv``) to parameter of the loss (``tv_weight``), in the order of the name. A
        parameter whose default is False is a flag: its code stands without a number.
    """

    loss: Callable[..., Any]
    settings: dict[str, str] = field(default_factory=dict)

    def default(self, code: str) -> float:
        """The loss's own default of a setting."""
        if self.settings[code] == "tv_weight" and not self._takes("tv_weight"):
            return 0.0
        return inspect.signature(self.loss).parameters[self.settings[code]].default

    def is_flag(self, code: str) -> bool:
        """Whether a setting is on or off and not a number."""
        return self.default(code) is False

    def build(self, values: dict[str, float], *, ddp: bool = False, **grid: Any) -> Any:
        """The loss with `values` (by code) in place of its defaults.

        `grid` is ``spacing_mm`` and ``patch_size`` of the plan, for the losses that measure in mm.
        """
        arguments = {self.settings[code]: value for code, value in values.items()}
        added = 0.0 if self._takes("tv_weight") else arguments.pop("tv_weight", 0.0)
        arguments.update((name, value) for name, value in grid.items() if self._takes(name))
        loss = self.loss(**arguments, ddp=ddp)
        return PlusTV(loss, tv_weight=added) if added else loss

    def _takes(self, parameter: str) -> bool:
        return parameter in inspect.signature(self.loss).parameters


class TrainerNotFound(RuntimeError):
    """The name carries settings, but not in the one spelling that is accepted."""


def spell(number: float) -> str:
    """A number as names carry it: ``0.05`` is ``0p05``, ``1.0`` is ``1``.

    >>> spell(0.05), spell(1.0), spell(12.5)
    ('0p05', '1', '12p5')
    """
    return f"{number:.10f}".rstrip("0").rstrip(".").replace(".", "p")


def variants_of(base: type) -> Callable[[str], type]:
    """Module-level ``__getattr__`` for a trainer's file: builds the class that a name with settings asks for.

    nnU-Net looks trainers up with ``hasattr(module, name)``. A name that is not `base` with settings is
    an ``AttributeError`` (nnU-Net goes on looking); settings in another spelling are a
    :class:`TrainerNotFound` that gives the right name.
    """
    built: dict[str, type] = {}

    def __getattr__(name: str) -> type:
        if name not in built:
            settings, epochs = _parse(name, base)
            members = {"loss_settings": settings, "epochs_in_name": epochs, "__doc__": base.__doc__,
                       "__module__": base.__module__}
            built[name] = type(name, (base,), members)
        return built[name]

    return __getattr__


def _parse(name: str, base: Any) -> tuple[dict[str, float], int | None]:
    prefix = base.__name__ + "_"
    tokens = name.removeprefix(prefix).split("_")
    if not name.startswith(prefix):
        raise AttributeError(name)
    settings: dict[str, float] = {}
    epochs = None
    for token in tokens:
        match = _LENIENT_EPOCHS.fullmatch(token)
        if match and epochs is None:
            epochs = int(match[1])
            continue
        code = next((code for code in base.loss_spec.settings
                     if code not in settings and re.fullmatch(_pattern(code, base), token)), None)
        if code is None:
            raise AttributeError(name)
        settings[code] = True if base.loss_spec.is_flag(code) else _number(token.removeprefix(code))
    right = _canonical(settings, epochs, base)
    if right != name or epochs == 0:
        raise TrainerNotFound(
            f"Could not find requested nnunet trainer {name}: trainer names have one spelling (loss settings first, "
            "epochs last and at least 1, no trailing zeros, no default value). "
            + (f"Write {right}." if epochs != 0 else ""))
    return settings, epochs


def _number(text: str) -> float:
    """Number of a name, however it is spelt; ``05`` lacks its point, and is not 5."""
    return float(re.sub(r"^0(?=\d+$)", "0.", text.replace("p", ".")))


def _pattern(code: str, base: Any) -> str:
    return code if base.loss_spec.is_flag(code) else code + _LENIENT_NUMBER


def _canonical(settings: dict[str, float], epochs: int | None, base: Any) -> str:
    parts = [base.__name__]
    parts += [code if base.loss_spec.is_flag(code) else f"{code}{spell(settings[code])}"
              for code in base.loss_spec.settings
              if code in settings and settings[code] != base.loss_spec.default(code)]
    if epochs is not None and epochs != base.default_epochs:
        parts.append(f"{epochs}epochs")
    return "_".join(parts)
