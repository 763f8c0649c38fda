"""What a process does that finds a database in which nothing was ever applied."""

from sqlalchemy import select

from rekindle.counting import counted
from rekindle.errors import RekindleError
from rekindle.services import Services
from rekindle.workspace.applying import apply_folder
from store.definitions import newest_definition
from store.tables import customers


def apply_once(services: Services) -> None:
    """Apply the folder into a database where nothing was ever applied.

    Raises RekindleError with the folder's problems if it has any, and where the limits that
    `apply` asks do not let it pass.
    """
    with services.store.read() as connection:
        if newest_definition(connection) is not None:
            return
        someone = connection.scalar(select(customers.c.id).where(customers.c.id > 0).limit(1))
    if someone is not None:
        _ask_limits(services)
    apply_folder(services.store, services.workspace, services.environment, services.clock.now())


def _ask_limits(services: Services) -> None:
    from rekindle.rehearsal.plan import make_plan  # heavy, and needed at most once in a life

    plan = make_plan(services)
    if not plan.is_within():
        raise RekindleError(
            f"Nothing was ever applied here, and the folder is past its limits: it would concern "
            f"{counted(plan.people, 'customer')} and send {counted(plan.mails_24h, 'email')} "
            f"within a day. 'rekindle plan' shows whom; 'rekindle apply --allow {plan.needed}' "
            "lets it pass."
        )
