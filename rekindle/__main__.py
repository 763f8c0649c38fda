"""`python -m rekindle` and the `rekindle` script."""

import gc
import sys


def main() -> None:
    gc.disable()  # until the command is loaded: nothing that is imported becomes garbage
    from rekindle.cli.app import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
