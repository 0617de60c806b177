"""``nnunet-tv-demo``: make phantoms and run the whole chain on them through the commands a user types."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nnunet_tv.cli import parser, run
from nnunet_tv.cli.types import add_processes, whole_number


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``nnunet-tv-demo --help``."""
    arguments = parser(
        "nnunet-tv-demo",
        "Make a small data set of synthetic phantoms in the layout of ds004199, then convert, plan, train,\n"
        "predict, filter and report through the commands that a user types, printing each.\n\n"
        "Run it again to continue. A command that fails stops the demo with its exit status.",
    )
    arguments.add_argument("-o", "--output", type=Path, default=Path("nnunet-tv-demo"), metavar="FOLDER",
                           help="everything is written there (default: %(default)s)")
    arguments.add_argument("--fast", action="store_true",
                           help="fewer phantoms and epochs: about 5 minutes on 2 CPU cores instead of one to two hours")
    arguments.add_argument("--seed", type=whole_number(0), default=0, help="of the phantoms (default: %(default)s)")
    add_processes(arguments)
    options = arguments.parse_args(argv)
    return run(lambda: _demo(options))


_print = partial(print, flush=True)


def _demo(options: argparse.Namespace) -> int:
    from nnunet_tv.demo import dataset, runner, summary, walkthrough

    scale = walkthrough.FAST if options.fast else walkthrough.FULL
    folders, device = walkthrough.Folders(options.output.resolve()), walkthrough.default_device()
    walkthrough.check_folder(folders)
    _print(f"Demo in {folders.root}, device {device}. Phantoms: {folders.scans}")
    dataset.make_dataset(folders.scans, patients=scale.patients, controls=scale.controls, test=scale.test,
                         seed=options.seed)
    variables = walkthrough.environment(folders, processes=options.processes)
    _print("\n".join(f"$ export {name}={shlex.quote(value)}" for name, value in variables.items()))
    steps = walkthrough.steps(folders, scale, processes=options.processes, device=device)
    try:
        runner.run_steps(steps, logs=folders.logs, variables=variables, echo=_print)
    except runner.StepFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    _print(summary.closing_text(folders.report, scale, cases=walkthrough.training_cases(folders)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
