"""Settings in trainer names: ``nnUNetTrainerDiceTV_tv0p05_5epochs``.

Each name has one spelling: settings of the loss in the order of its ``name_codes``, then the learning rate
(``lr0p001``), then epochs; no trailing zeros and no default values.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnunet_tv.losses import ForegroundLoss, PlusTV
from nnunet_tv.utils.numbers import spell

#: Code of the learning rate in names; no loss has a setting of this code.
LEARNING_RATE = "lr"


class TrainerNotFound(RuntimeError):
    """The name has settings in a spelling that is not accepted."""


@dataclass
class _Settings:
    """Settings of a name; None where the name has none."""

    loss: dict[str, float] = field(default_factory=dict)  #: by code
    learning_rate: float | None = None
    epochs: int | None = None


def build_loss(loss: type[ForegroundLoss], settings: Mapping[str, float], *, ddp: bool = False,
               **grid: Any) -> ForegroundLoss:
    """Loss with the settings of a trainer's name, by code.

    A loss's ``name_codes`` may map a code to ``tv_weight`` although it has no such parameter: a weight above 0 then
    adds total variation (:class:`~nnunet_tv.losses.PlusTV`). `grid` has the plan's ``spacing_mm`` and ``patch_size``,
    for losses that measure in mm; `ddp` is whether training is distributed.
    """
    parameters = inspect.signature(loss).parameters
    arguments: dict[str, Any] = {loss.name_codes[code]: value for code, value in settings.items()}
    added = 0.0 if "tv_weight" in parameters else arguments.pop("tv_weight", 0.0)
    arguments.update((name, value) for name, value in grid.items() if name in parameters)
    built = loss(**arguments, ddp=ddp)
    return PlusTV(built, tv_weight=added) if added else built


def loss_settings(loss: type[ForegroundLoss], settings: Mapping[str, float]) -> dict[str, float | bool | None]:
    """Every setting of a loss by parameter: those of a trainer's name (by code), else the defaults.

    What the trainer gives (grid, `ddp`) is left out.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(loss).parameters.items()
                if isinstance(parameter.default, (int, float)) and name != "ddp"}
    named = {parameter: settings.get(code, defaults.get(parameter, 0.0))
             for code, parameter in loss.name_codes.items()}
    return {**defaults, **named}


def variants_in(module: dict[str, Any]) -> Callable[[str], type]:
    """Module-level ``__getattr__`` that derives a trainer with the settings in its name.

    nnU-Net searches modules by ``hasattr(module, name)``. A name that is no trainer of the module with settings raises
    ``AttributeError``, so that the search goes on; settings in another spelling raise :class:`TrainerNotFound` with
    the right name. `module` is the ``globals()`` of a module with trainers, to which those derived are added.
    """

    def __getattr__(name: str) -> type:
        base_name, *tokens = name.split("_")
        base: Any = module.get(base_name)
        if not tokens or not hasattr(base, "loss_class"):
            raise AttributeError(name)
        settings = _parsed(name, tokens, base)
        module[name] = type(name, (base,), {
            "loss_settings": settings.loss, "learning_rate_in_name": settings.learning_rate,
            "epochs_in_name": settings.epochs, "__module__": base.__module__})
        return module[name]

    return __getattr__


def _parsed(name: str, tokens: Sequence[str], base: Any) -> _Settings:
    """Settings of a name; AttributeError for a token that is none."""
    settings = _Settings()
    for token in tokens:
        if settings.epochs is None and (match := re.fullmatch(r"(\d+)epochs?", token)):
            settings.epochs = int(match[1])
        elif settings.learning_rate is None and _has_number(token, LEARNING_RATE):
            settings.learning_rate = _number(token.removeprefix(LEARNING_RATE))
        else:
            code = next((code for code in base.loss_class.name_codes if code not in settings.loss
                         and (token == code if _is_flag(base, code) else _has_number(token, code))), None)
            if code is None:
                raise AttributeError(name)
            settings.loss[code] = True if _is_flag(base, code) else _number(token.removeprefix(code))
    right, zero = _canonical(settings, base), 0 in (settings.learning_rate, settings.epochs)
    if right != name or zero:
        raise TrainerNotFound(
            f"Could not find requested nnunet trainer {name}: trainer names have one spelling (loss settings first, "
            "then learning rate and epochs, both above 0, no trailing zeros, no default value). "
            + (f"Write {right}." if not zero else ""))
    return settings


def _default(base: Any, code: str) -> float:
    """Default of a loss setting; 0 for a ``tv_weight`` that the loss itself does not have."""
    parameter = inspect.signature(base.loss_class).parameters.get(base.loss_class.name_codes[code])
    return 0.0 if parameter is None else parameter.default


def _is_flag(base: Any, code: str) -> bool:
    """Whether the code stands without a number."""
    return _default(base, code) is False


def _has_number(token: str, code: str) -> bool:
    return re.fullmatch(rf"{code}\d+([p.]\d+)?", token) is not None


def _number(text: str) -> float:
    """Number in a name in any spelling; ``05`` lacks its point and is 0.5."""
    return float(re.sub(r"^0(?=\d+$)", "0.", text.replace("p", ".")))


def _canonical(settings: _Settings, base: Any) -> str:
    parts = [base.__name__]
    parts += [code if _is_flag(base, code) else f"{code}{spell(settings.loss[code])}"
              for code in base.loss_class.name_codes
              if code in settings.loss and settings.loss[code] != _default(base, code)]
    if settings.learning_rate not in (None, base.default_learning_rate):
        parts.append(f"{LEARNING_RATE}{spell(settings.learning_rate)}")
    if settings.epochs not in (None, base.default_epochs):
        parts.append(f"{settings.epochs}epochs")
    return "_".join(parts)
