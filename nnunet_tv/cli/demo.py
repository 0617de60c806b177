"""``nnunet-tv-demo``: phantoms, and the whole chain on them through the commands a user types."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from nnunet_tv.cli import parser, run
from nnunet_tv.cli.types import add_processes, whole_number
from nnunet_tv.demo.walkthrough import DATA, DEFAULT_DATA


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``nnunet-tv-demo --help``."""
    arguments = parser(
        "nnunet-tv-demo",
        "Make a small data set of synthetic phantoms in the layout of a public one, then convert, plan, train,\n"
        "predict, filter and report through the commands that a user types, printing each.\n\n"
        "Run it again to continue. A command that fails stops the demo with its exit status.",
    )
    arguments.add_argument("-o", "--output", type=Path, metavar="FOLDER",
                           help="everything is written there (default: nnunet-tv-demo, of other data than "
                                f"{DEFAULT_DATA} nnunet-tv-demo-DATA)")
    arguments.add_argument("--data", choices=tuple(DATA), default=DEFAULT_DATA,
                           help="which data set's layout (default: %(default)s)")
    arguments.add_argument("--fast", action="store_true",
                           help="fewer phantoms and epochs: about 5 minutes on 2 CPU cores instead of one to two hours")
    arguments.add_argument("--seed", type=whole_number(0), default=0, help="of the phantoms (default: %(default)s)")
    add_processes(arguments)
    options = arguments.parse_args(argv)
    return run(lambda: _demo(options))


def _demo(options) -> int:
    from nnunet_tv.demo.runner import StepFailed, run_steps
    from nnunet_tv.demo.summary import closing_words
    from nnunet_tv.demo.walkthrough import (
        FAST,
        FULL,
        Folders,
        check_folder,
        default_device,
        environment,
        steps,
        training_cases,
    )

    data = DATA[options.data]
    output = options.output or Path("nnunet-tv-demo" + ("" if options.data == DEFAULT_DATA else f"-{options.data}"))
    folders, scale, device = Folders(output.resolve(), data), FAST if options.fast else FULL, default_device()
    check_folder(folders)
    _say(f"Demo in {folders.root}, device {device}. Phantoms: {folders.scans}")
    import_module(data.module).make_dataset(
        folders.scans, patients=scale.patients, controls=scale.controls, test=scale.test, seed=options.seed)
    variables = environment(folders, processes=options.processes)
    _say("\n".join(f"$ export {name}={shlex.quote(value)}" for name, value in variables.items()))
    try:
        run_steps(steps(folders, scale, processes=options.processes, device=device), logs=folders.logs,
                  variables=variables, say=_say)
    except StepFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    _say(closing_words(folders.report, scale, cases=training_cases(folders)))
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
