"""The door for an ASGI server: `uvicorn --factory rekindle.asgi:app`.

The workspace is `REKINDLE_WORKSPACE` (default: here); the rest of the environment means what it
means to every command.
"""

import os
from pathlib import Path

from starlette.applications import Starlette

from rekindle.api.app import mount_api
from rekindle.clock import SystemClock
from rekindle.logs import configure_logs
from rekindle.services import open_services
from rekindle.state import state_folder
from web.app import create_app
from web.sign_in import make_sign_in_link
from workers.actors import Actors
from workers.brokers import open_broker


def app() -> Starlette:
    """The web application of one server process.

    Raises StoreUnavailable if the database cannot be reached or is not migrated.
    """
    configure_logs()
    workspace = Path(os.environ.get("REKINDLE_WORKSPACE", "."))
    if not os.environ.get("REKINDLE_DATABASE_URL"):
        state_folder(workspace)
    services = open_services(workspace, SystemClock())
    services.announce("rekindle.asgi")
    if url := os.environ.get("REKINDLE_BROKER_URL"):
        services.wake = Actors(open_broker(url))
    if link := make_sign_in_link(services):
        print(f"Dashboard: {link}", flush=True)
    return create_app(services, more=[mount_api(services)])
