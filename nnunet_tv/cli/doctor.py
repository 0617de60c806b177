"""``nnunet-tv-doctor``: check that this installation can train and predict."""

from collections.abc import Sequence

from nnunet_tv.cli import parser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; exit status 0 only when all is well."""
    parser(
        "nnunet-tv-doctor",
        "Print versions, the device, nnU-Net's three folders, and whether every trainer of this package\n"
        "resolves through nnU-Net's own look-up. Exit status 0 only when all is well.",
    ).parse_args(argv)

    def action() -> int:
        from nnunet_tv.doctor import examine

        wrong = 0
        for finding in examine():
            print(f"{'ok ' if finding.well else '!! '} {finding.subject}: {finding.found}")
            wrong += not finding.well
        print(f"{wrong} problem(s), marked !! above." if wrong else "All is well.")
        return int(wrong > 0)

    return run(action)


if __name__ == "__main__":
    raise SystemExit(main())
