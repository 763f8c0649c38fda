"""The dashboard: server-rendered, read only, behind its door."""

from starlette.middleware import Middleware
from starlette.routing import Route

from web.dashboard.journeys import show_journey
from web.dashboard.outbox import show_mail, show_mail_html, show_outbox
from web.dashboard.overview import show_overview
from web.dashboard.people import show_customer, show_customers, show_segment
from web.security import DashboardDoor

PAGES = {
    "/": show_overview,
    "/segments/{name}": show_segment,
    "/journeys/{name}": show_journey,
    "/customers": show_customers,
    "/customers/{external_id:path}": show_customer,
    "/outbox": show_outbox,
    "/outbox/{message_id:int}": show_mail,
    "/outbox/{message_id:int}/html": show_mail_html,
}

routes = [
    Route(path, handler, methods=["GET"], middleware=[Middleware(DashboardDoor)])
    for path, handler in PAGES.items()
]
