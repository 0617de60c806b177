"""nnunet-tv-convert: a data set into an nnU-Net raw data set."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

from nnunet_tv import cli
from nnunet_tv.cli.types import add_preparation, add_processes, dataset_name, whole_number
from nnunet_tv.conversion.dataset_spec import REGISTER_HELP, DatasetSpec

#: Data sets and the modules that know their layouts: ``SPEC`` is what can be chosen, ``read`` finds the files.
DATA_SETS = {
    "ds004199": "nnunet_tv.dataset_conversion.ds004199",
    "bonbid-hie": "nnunet_tv.dataset_conversion.bonbid_hie",
    "brain-mets-lung": "nnunet_tv.dataset_conversion.brain_mets_lung",
    "pairs": "nnunet_tv.dataset_conversion.pairs",
}
DESCRIPTION = """Convert a data set into an nnU-Net raw data set.

What is up to date stays; a killed run is continued by the same command. A case that cannot be used is named
with its file, the others are converted. Exit status: 0 all converted, 1 something was named, 2 usage."""


class _Refuse(argparse.Action):
    """An option of other data sets: a usage error that says why."""

    def __init__(self, option_strings, dest, reason: str, **_):
        super().__init__(option_strings, argparse.SUPPRESS, nargs="?", help=argparse.SUPPRESS)
        self.reason = reason

    def __call__(self, parser, namespace, values, option_string=None):
        parser.error(f"{option_string} is not for this data set: {self.reason}")


def _parser() -> argparse.ArgumentParser:
    result = cli.parser("nnunet-tv-convert", DESCRIPTION)
    sets = result.add_subparsers(dest="data_set", required=True, metavar="DATA_SET")
    specs = {name: import_module(module).SPEC for name, module in DATA_SETS.items()}
    for name, spec in specs.items():
        one = sets.add_parser(name, help=spec.title, description=f"{spec.title}.\n\n{DESCRIPTION}",
                              formatter_class=argparse.RawDescriptionHelpFormatter)
        one.set_defaults(spec=spec, usage_error=one.error)
        one.add_argument("-i", "--input", type=Path, required=True, metavar="PATH", help=spec.source)
        one.add_argument("-o", "--output", type=Path, metavar="RAW_ROOT", help="default: $nnUNet_raw")
        one.add_argument("--name", type=dataset_name, default=spec.folder_name,
                         help="folder in RAW_ROOT (default: %(default)s; Dataset085_FCD for nnU-Net's own -d 85)")
        _add_split(one, spec)
        _add_registration(one, spec)
        for option in spec.options:
            one.add_argument(option.flag, choices=option.choices, default=option.default,
                             help=option.help + (" (default: %(default)s)" if option.default else ""))
        for flag in {option.flag for other in specs.values() for option in other.options}:
            if flag not in {option.flag for option in spec.options}:
                one.add_argument(flag, action=_Refuse, reason="it has no such choice")
        one.add_argument("--dry-run", action="store_true",
                         help="write and print the plan (conversion.plan.tsv); needs no voxels")
        add_processes(one)
    return result


def _add_split(one: argparse.ArgumentParser, spec: DatasetSpec) -> None:
    first = next(iter(spec.splits))
    told = "; ".join(f"{name}: {line}" for name, line in spec.splits.items()).replace("%", "%%")
    one.add_argument("--split", choices=tuple(spec.splits), default=first, help=f"{told} (default: %(default)s)")
    one.add_argument("--repeats", type=whole_number(1),
                     help="runs on one split, run k is fold k (default: 10; not cv5)")
    if spec.controls:
        one.add_argument("--controls", choices=("none", "test", "train"), default="none",
                         help="people without a lesion, with an empty label: none, in imagesTs, or in imagesTr and "
                              "every fold's train (default: %(default)s)")
    else:
        one.set_defaults(controls="none")
        one.add_argument("--controls", action=_Refuse, reason=spec.no_controls)


class _Register(argparse.Action):
    """``--register``, which says why a data set is not offered what others are."""

    def __call__(self, parser, namespace, values, option_string=None):
        spec = namespace.spec
        if values not in spec.registrations:
            known = " or ".join(spec.registrations)
            why = f" ({spec.no_registration})" if values in REGISTER_HELP and spec.no_registration else ""
            parser.error(f"{option_string} {values}: expected {known}{why}")
        setattr(namespace, self.dest, values)


def _add_registration(one: argparse.ArgumentParser, spec: DatasetSpec) -> None:
    told = "; ".join(f"{name}: {REGISTER_HELP[name]}" for name in spec.registrations)
    one.add_argument("--register", action=_Register, default=spec.registrations[0],
                     metavar="{" + ",".join(spec.registrations) + "}", help=f"{told} (default: %(default)s)")
    if spec.registrations != ("none",):
        add_preparation(one)
    else:
        one.set_defaults(registration="simpleitk", brain="auto")
        for flag in ("--registration", "--brain"):
            one.add_argument(flag, action=_Refuse, reason=spec.no_registration)


def main(argv: list[str] | None = None) -> int:
    """Run the command; exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.split == "cv5" and arguments.repeats is not None:
        arguments.usage_error("--repeats is for one split; cv5 has five folds")
    root = arguments.output or (Path(os.environ["nnUNet_raw"]) if os.environ.get("nnUNet_raw") else None)
    if root is None:
        arguments.usage_error("where to write? Give -o RAW_ROOT, or set it: export nnUNet_raw=/path/to/nnUNet_raw")
    return cli.run(lambda: _convert(arguments, root / arguments.name))


def _convert(arguments: argparse.Namespace, target: Path) -> int:
    from nnunet_tv.conversion.plan import ConversionOptions, make_plan
    from nnunet_tv.conversion.writer import convert, dry_run
    from nnunet_tv.preparation.align import check_options
    from nnunet_tv.preparation.alignment import RegistrationOptions

    module = import_module(DATA_SETS[arguments.data_set])
    choices = RegistrationOptions(arguments.registration, arguments.brain)
    if arguments.register != "none":
        choices = check_options(choices)
    settings = ConversionOptions(arguments.split, arguments.repeats, arguments.controls, arguments.register, choices)
    options = {option.name: getattr(arguments, option.name) for option in arguments.spec.options}
    plan = make_plan(module.read(arguments.input, **options), settings)
    if arguments.dry_run:
        report = dry_run(plan, target)
        print((target / "conversion.plan.tsv").read_text(encoding="utf-8"), end="")
    else:
        report = convert(plan, target, processes=arguments.processes)
    _tell(report, target, dry=arguments.dry_run)
    return 0 if report.ok else 1


def _tell(report, target: Path, *, dry: bool) -> None:
    for case, lines in report.notes.items():
        for line in lines:
            print(f"note: {case}: {line}")
    for line in report.remarks:
        print(f"note: {line}")
    counts = report.counts
    did = "would hold" if dry else "holds"
    changed = "" if dry else f", {counts['changed']} written or moved in this run"
    print(f"{target} {did} {counts['training']} training and {counts['test']} test cases{changed}")
    if report.failed:
        print(f"\n{len(report.failed)} cases failed and are not in the data set:", file=sys.stderr)
        for case, problem in report.failed.items():
            print(f"  {case}: {problem}", file=sys.stderr)
        if not dry:
            print("Repair them and run the same command again; the details are in conversion.tsv.", file=sys.stderr)
    if report.incomplete:
        print(f"error: {report.incomplete}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
