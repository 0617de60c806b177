"""Errors of the volume: signed ones, whose mean is the bias, and absolute ones, whose mean is the size of the error.

In the mean of a signed error too much in one subject makes up for too little in another, so neither is given alone.
"""


def volume_error_ml(predicted_mm3: float, reference_mm3: float) -> float:
    """Predicted minus reference volume, ml; above 0 where too much is predicted."""
    return (predicted_mm3 - reference_mm3) / 1000


def absolute_volume_error_ml(predicted_mm3: float, reference_mm3: float) -> float:
    """Difference of the volumes without its sign, ml."""
    return abs(volume_error_ml(predicted_mm3, reference_mm3))


def relative_volume_error(predicted_mm3: float, reference_mm3: float) -> float | None:
    """(Predicted - reference) / reference volume, from -1 for an empty prediction; None without a lesion."""
    return (predicted_mm3 - reference_mm3) / reference_mm3 if reference_mm3 else None


def absolute_relative_volume_error(predicted_mm3: float, reference_mm3: float) -> float | None:
    """The relative error without its sign; None without a lesion."""
    error = relative_volume_error(predicted_mm3, reference_mm3)
    return None if error is None else abs(error)
