"""Settings in trainer names: ``nnUNetTrainerDiceTV_tv0p05_5epochs``.

One canonical spelling: the loss's settings first, epochs last, no trailing zeros, no default value.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_LENIENT_EPOCHS = re.compile(r"(\d+)epochs?")
_LENIENT_NUMBER = r"(\d+(?:[p.]\d+)?)"


@dataclass(frozen=True)
class LossSpec:
    """A loss as data: its class and the settings that a trainer's name may carry.

    Attributes
    ----------
    loss : class
        Called with its settings and ``ddp`` as keywords.
    settings : dict
        Code in the name (``tv``) to parameter of the loss (``tv_weight``), in the order of the name.
    """

    loss: Callable[..., Any]
    settings: dict[str, str] = field(default_factory=dict)

    def default(self, code: str) -> float:
        """The loss's own default of a setting."""
        return inspect.signature(self.loss).parameters[self.settings[code]].default

    def build(self, values: dict[str, float], *, ddp: bool = False) -> Any:
        """The loss with `values` (by code) in place of its defaults."""
        return self.loss(**{self.settings[code]: value for code, value in values.items()}, ddp=ddp)


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
                     if re.fullmatch(code + _LENIENT_NUMBER, token) and code not in settings), None)
        if code is None:
            raise AttributeError(name)
        settings[code] = float(token.removeprefix(code).replace("p", "."))
    right = _canonical(settings, epochs, base)
    if right != name or epochs == 0:
        raise TrainerNotFound(
            f"Could not find requested nnunet trainer {name}: trainer names have one spelling (loss settings first, "
            "epochs last and at least 1, no trailing zeros, no default value). "
            + (f"Write {right}." if epochs != 0 else ""))
    return settings, epochs


def _canonical(settings: dict[str, float], epochs: int | None, base: Any) -> str:
    parts = [base.__name__]
    parts += [f"{code}{spell(settings[code])}" for code in base.loss_spec.settings
              if code in settings and settings[code] != base.loss_spec.default(code)]
    if epochs is not None and epochs != base.default_epochs:
        parts.append(f"{epochs}epochs")
    return "_".join(parts)
