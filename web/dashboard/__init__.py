"""The dashboard: server-rendered, behind its door; it only shows, but for answers to approvals."""

from starlette.middleware import Middleware
from starlette.routing import Route

from web.dashboard.approvals import answer, show_approvals
from web.dashboard.journeys import show_journey
from web.dashboard.outbox import show_mail, show_mail_html, show_outbox
from web.dashboard.overview import show_overview
from web.dashboard.people import show_customer, show_customers, show_segment
from web.requests import FormLimit
from web.security import DashboardDoor

PAGES = {
    "/": show_overview,
    "/segments/{name}": show_segment,
    "/journeys/{name}": show_journey,
    "/customers": show_customers,
    "/customers/{external_id:path}": show_customer,
    "/approvals": show_approvals,
    "/outbox": show_outbox,
    "/outbox/{message_id:id}": show_mail,
    "/outbox/{message_id:id}/html": show_mail_html,
}

routes = [
    Route(path, handler, methods=["GET"], middleware=[Middleware(DashboardDoor)])
    for path, handler in PAGES.items()
]
routes.append(
    Route(
        "/approvals",
        answer,
        methods=["POST"],
        middleware=[Middleware(DashboardDoor), Middleware(FormLimit)],
    )
)
