"""Opens the services for the global options of this command line."""

from rekindle.cli.context import options
from rekindle.clock import Clock
from rekindle.logs import configure_logs
from rekindle.services import Services, Wake, open_services
from rekindle.state import state_folder


def open_here(clock: Clock | None = None, wake: Wake | None = None) -> Services:
    """The services of this workspace at `--now`, to be used in a `with`.

    Raises StoreUnavailable if the database cannot be reached or is not migrated.
    """
    configure_logs()
    chosen = options()
    if not chosen.database:
        state_folder(chosen.workspace)
    services = open_services(
        chosen.workspace, clock or chosen.given_clock(), database=chosen.database, wake=wake
    )
    if clock is None and chosen.now is not None:  # what was in force then is what it is about
        services.as_of = chosen.now
    return services
