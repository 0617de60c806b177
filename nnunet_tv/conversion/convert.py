"""Conversion of a data set, as ``nnunet-tv-convert`` does it."""

from pathlib import Path

from nnunet_tv.conversion.dataset_spec import data_sets
from nnunet_tv.conversion.plan import ConversionOptions, make_plan
from nnunet_tv.conversion.writer import ConversionReport, convert, dry_run
from nnunet_tv.preparation.alignment import RegistrationOptions, check_options
from nnunet_tv.utils.errors import NnunetTVError


def convert_dataset(
    data_set: str,
    source: str | Path,
    out: str | Path,
    *,
    split: str | None = None,
    repeats: int | None = None,
    controls: str = "none",
    space: str | None = None,
    registration: RegistrationOptions | None = None,
    plan_only: bool = False,
    processes: int = 1,
    **options: str | None,
) -> ConversionReport:
    """Convert a data set into an nnU-Net raw data set; what is up to date stays.

    Parameters
    ----------
    data_set : str
        Such as ``ds004199``; see :func:`~nnunet_tv.conversion.dataset_spec.data_sets`.
    source, out : Path
        The downloaded data set (a table for ``pairs``); the raw data set, such as ``nnUNet_raw/DatasetFCD``.
    split, repeats, controls, space, registration
        As in :class:`~nnunet_tv.conversion.plan.ConversionOptions`, but split and space are by default the first of
        the data set's ``SPEC``.
    plan_only : bool
        Write ``conversion.plan.tsv`` and ``splits_final.plan.json`` only, without reading voxels.
    processes : int
        Worker processes.
    **options : str
        Of this data set, such as ``label="whole"`` for ``brain-mets-lung``.

    Raises
    ------
    NnunetTVError
        Unknown data set, or not this data set at `source`; a split or space that it does not offer; files of
        another origin in `out`; a program that is needed is not installed; a worker process died.
    """
    modules = data_sets()
    if data_set not in modules:
        raise NnunetTVError(f"data set {data_set!r}: expected one of {', '.join(modules)}")
    spec, registration = modules[data_set].SPEC, registration or RegistrationOptions()
    split, space = split or next(iter(spec.splits)), space or spec.spaces[0]
    if split not in spec.splits or space not in spec.spaces:
        raise NnunetTVError(f"{data_set}: split {split} with space {space}: expected a split of "
                            f"{', '.join(spec.splits)} and a space of {', '.join(spec.spaces)}")
    if space != "none":
        registration = check_options(registration)
    dataset = modules[data_set].read(source, **options)
    plan = make_plan(dataset, ConversionOptions(split, repeats, controls, space, registration))
    return dry_run(plan, Path(out)) if plan_only else convert(plan, Path(out), processes=processes)
