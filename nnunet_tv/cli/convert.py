"""``nnunet-tv-convert``: convert a data set to nnU-Net's raw format."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nnunet_tv import cli
from nnunet_tv.brain.registry import WITHOUT_TEMPLATE
from nnunet_tv.cli.types import add_preparation, add_processes, add_space, dataset_name, whole_number
from nnunet_tv.conversion.dataset_spec import SPACES, DatasetSpec, data_sets
from nnunet_tv.registration.registry import BACKENDS

DESCRIPTION = """Convert a data set into an nnU-Net raw data set.

What is up to date stays; a killed run is continued by the same command. A case that cannot be used is named
with its file, the others are converted. Exit status: 0 all converted, 1 a case failed or the input is
unusable, 2 usage."""


class _Refuse(argparse.Action):
    """An option of other data sets: a usage error with the reason."""

    def __init__(self, option_strings, dest, reason: str, **_):
        super().__init__(option_strings, argparse.SUPPRESS, nargs="?", help=argparse.SUPPRESS)
        self.reason = reason

    def __call__(self, parser, namespace, values, option_string=None):
        parser.error(f"{option_string} is not for this data set: {self.reason}")


class _Space(argparse.Action):
    """``--space``; the error of a space that a data set does not offer gives the reason."""

    def __call__(self, parser, namespace, values, option_string=None):
        spec = namespace.spec
        if values not in spec.spaces:
            reason = f" ({spec.no_other_space})" if values in SPACES and spec.no_other_space else ""
            parser.error(f"{option_string} {values}: expected {' or '.join(spec.spaces)}{reason}")
        setattr(namespace, self.dest, values)


def _parser() -> argparse.ArgumentParser:
    result = cli.parser("nnunet-tv-convert", DESCRIPTION)
    sets = result.add_subparsers(dest="data_set", required=True, metavar="DATA_SET")
    specs = {name: module.SPEC for name, module in data_sets().items()}
    for name, spec in specs.items():
        one = sets.add_parser(name, help=spec.title, description=f"{spec.title}.\n\n{DESCRIPTION}",
                              formatter_class=argparse.RawDescriptionHelpFormatter)
        one.set_defaults(spec=spec, usage_error=one.error)
        one.add_argument("-i", "--input", type=Path, required=True, metavar="PATH", help=spec.source)
        one.add_argument("-o", "--output", type=Path, metavar="RAW_ROOT", help="default: $nnUNet_raw")
        one.add_argument("--name", type=dataset_name, default=spec.folder_name,
                         help="folder in RAW_ROOT (default: %(default)s; Dataset085_FCD for nnU-Net's own -d 85)")
        _add_split(one, spec)
        _add_space(one, spec)
        for option in spec.options:
            one.add_argument(option.flag, choices=option.choices, default=option.default,
                             help=option.help + (" (default: %(default)s)" if option.default else ""))
        others = {option.flag for other in specs.values() for option in other.options}
        for flag in others - {option.flag for option in spec.options}:
            one.add_argument(flag, action=_Refuse, reason="it has no such choice")
        one.add_argument("--dry-run", action="store_true",
                         help="write and print the plan (conversion.plan.tsv); needs no voxels")
        add_processes(one)
    return result


def _add_split(one: argparse.ArgumentParser, spec: DatasetSpec) -> None:
    lines = "; ".join(f"{name}: {line}" for name, line in spec.splits.items()).replace("%", "%%")
    one.add_argument("--split", choices=tuple(spec.splits), default=next(iter(spec.splits)),
                     help=f"{lines} (default: %(default)s)")
    one.add_argument("--repeats", type=whole_number(1),
                     help="runs on one split, run k is fold k (default: 10; not cv5)")
    if spec.controls:
        one.add_argument("--controls", choices=("none", "test", "train"), default="none",
                         help="people without a lesion, with an empty label: none, in imagesTs, or in imagesTr and "
                              "every fold's train (default: %(default)s)")
    else:
        one.set_defaults(controls="none")
        one.add_argument("--controls", action=_Refuse, reason=spec.no_controls)


def _add_space(one: argparse.ArgumentParser, spec: DatasetSpec) -> None:
    lines = "; ".join(f"{name}: {SPACES[name]}" for name in spec.spaces)
    add_space(one, action=_Space, default=spec.spaces[0], metavar="{" + ",".join(spec.spaces) + "}",
              help=f"{lines} (default: %(default)s)")
    if spec.spaces != ("none",):
        add_preparation(one)
    else:
        one.set_defaults(registration_backend=next(iter(BACKENDS)), brain=WITHOUT_TEMPLATE)
        for flag in ("--registration-backend", "--registration", "--brain"):
            one.add_argument(flag, action=_Refuse, reason=spec.no_other_space)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.split == "cv5" and arguments.repeats is not None:
        arguments.usage_error("--repeats is for one split; cv5 has five folds")
    root = arguments.output or os.environ.get("nnUNet_raw", "")
    if not root:
        arguments.usage_error("expected a folder to write to: give -o RAW_ROOT, or export nnUNet_raw=/path/to/raw")
    return cli.run(lambda: _convert(arguments, Path(root) / arguments.name))


def _convert(arguments: argparse.Namespace, target: Path) -> int:
    from nnunet_tv.conversion.convert import convert_dataset
    from nnunet_tv.conversion.writer import remarks_of
    from nnunet_tv.preparation.alignment import RegistrationOptions

    report = convert_dataset(
        arguments.data_set, arguments.input, target, split=arguments.split, repeats=arguments.repeats,
        controls=arguments.controls, space=arguments.space,
        registration=RegistrationOptions(arguments.registration_backend, arguments.brain), plan_only=arguments.dry_run,
        processes=arguments.processes, **{option.name: getattr(arguments, option.name)
                                          for option in arguments.spec.options})
    if arguments.dry_run:
        print((target / "conversion.plan.tsv").read_text(encoding="utf-8"), end="")
    notes = [f"{outcome.case}: {line}" for outcome in report.outcomes if not outcome.problem
             for line in remarks_of(outcome)]
    for line in (*notes, *report.remarks):
        print(f"note: {line}")
    counts = report.counts
    holds = "would hold" if arguments.dry_run else "holds"
    changed = "" if arguments.dry_run else f", {counts['changed']} written or moved in this run"
    print(f"{target} {holds} {counts['training']} training and {counts['test']} test cases{changed}")
    cli.print_failed(report.failed, "data set", "" if arguments.dry_run else
                     "Repair them and run the same command again; the details are in conversion.tsv.")
    if report.incomplete:
        print(f"error: {report.incomplete}", file=sys.stderr)
    return 0 if report.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
