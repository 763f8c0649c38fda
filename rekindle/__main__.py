"""`python -m rekindle` and the `rekindle` script."""

import sys


def main() -> None:
    from rekindle.cli.app import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
