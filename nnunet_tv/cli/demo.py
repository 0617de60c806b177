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
        "predict, filter and report through the commands that a user types, printing each. At the end one epoch\n"
        "of the paper's network is trained. Open index.html in the folder: the report and one patient's page.\n\n"
        "About 10 minutes on 2 CPU cores; a GPU is used where there is one. Run it again to continue.\n"
        "Exit status: that of a command that fails, which stops the demo; 1 if the network found no lesion.",
    )
    arguments.add_argument("-o", "--output", type=Path, default=Path("nnunet-tv-demo"), metavar="FOLDER",
                           help="everything is written there (default: %(default)s)")
    arguments.add_argument("--seed", type=whole_number(0), default=0, help="of the phantoms (default: %(default)s)")
    add_processes(arguments)
    options = arguments.parse_args(argv)
    return run(lambda: _demo(options))


_print = partial(print, flush=True)


def _demo(options: argparse.Namespace) -> int:
    from nnunet_tv.demo import dataset, index_html, runner, summary, walkthrough

    folders, device = walkthrough.Folders(options.output.resolve()), walkthrough.default_device()
    walkthrough.check_folder(folders)
    _print(f"Demo in {folders.root}, device {device}. Phantoms: {folders.scans}")
    dataset.make_dataset(folders.scans, patients=walkthrough.PATIENTS, controls=walkthrough.CONTROLS,
                         test=walkthrough.TEST, seed=options.seed, options=walkthrough.PHANTOMS)
    variables = walkthrough.environment(folders, processes=options.processes)
    _print("\n".join(f"$ export {name}={shlex.quote(value)}" for name, value in variables.items()))
    steps = walkthrough.steps(folders, seed=options.seed, processes=options.processes, device=device)
    try:
        seconds = runner.run_steps(steps, logs=folders.logs, variables=variables, echo=_print)
    except runner.StepFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    result = summary.read_result(folders.report)
    patient = index_html.check_patient(folders, walkthrough.patient(options.seed))
    index_html.write_index(folders, result=result, patient=patient, steps=steps, seconds=seconds)
    _print(summary.closing_text(result, index=folders.index, seconds=sum(seconds)))
    if result.found == 0:
        print(f"error: {result.judgement} The log of the training is in {folders.logs}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
