"""Opens the services for the global options of this command line."""

import sys

import structlog

from rekindle.cli.context import options
from rekindle.clock import Clock
from rekindle.services import Services, Wake, open_services, state_folder


def open_here(clock: Clock | None = None, wake: Wake | None = None) -> Services:
    """The services of this workspace at `--now`, to be used in a `with`.

    Raises StoreUnavailable if the database cannot be reached or is not migrated.
    """
    structlog.configure(logger_factory=_to_standard_error)
    chosen = options()
    if not chosen.database:
        state_folder(chosen.workspace)
    return open_services(
        chosen.workspace, clock or chosen.standing_clock(), database=chosen.database, wake=wake
    )


def _to_standard_error(*_names: object) -> structlog.PrintLogger:
    """Standard output is for what the command was asked, under `--json` for one document alone."""
    return structlog.PrintLogger(sys.stderr)
