"""`/metrics`: figures in the text format of Prometheus, read from the database at each look.

Every process shows the same figures, since the database is the truth; scrape one of them. Source:
Prometheus' naming practices and exposition format 0.0.4, read 2026-11.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rekindle.lane import Lane
from rekindle.lanes import find_failing_receivers, find_standstills
from store.backlog import (
    Backlog,
    count_active_by_journey,
    count_alarms,
    count_by_status,
    count_pending_changes,
    load_backlogs,
    load_refreshed,
)
from store.freshness import load_freshness
from store.memberships import count_members
from web.api_keys import require_api_key
from web.requests import services_of


class Figures:
    """A collector over one look at the database; of `segments` also those without members."""

    def __init__(self, connection: Connection, segments: Iterable[str], now: datetime) -> None:
        self.connection, self.segments, self.now = connection, segments, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        backlogs = load_backlogs(self.connection, self.now)
        yield _gauge(
            "due", "Work whose time has come.", "sort", {k: v.count for k, v in backlogs.items()}
        )
        late = {sort: _seconds_late(one, self.now) for sort, one in backlogs.items()}
        yield _gauge("lateness_seconds", "How long the oldest due work has waited.", "sort", late)
        yield _single(
            "pending_changes",
            "Changes that no segment has seen yet.",
            count_pending_changes(self.connection),
        )
        yield _gauge("messages", "Messages by status.", "status", count_by_status(self.connection))
        active = count_active_by_journey(self.connection)
        yield _gauge("enrollments_active", "Customers under way.", "journey", active)
        members = dict.fromkeys(self.segments, 0) | count_members(self.connection)
        yield _gauge("segment_members", "Stored size.", "segment", members)
        refreshed = {k: v.timestamp() for k, v in load_refreshed(self.connection).items()}
        yield _gauge(
            "segment_refreshed_timestamp_seconds",
            "When everybody was last looked at.",
            "segment",
            refreshed,
        )
        lags = {
            k: v.lag.total_seconds() for k, v in load_freshness(self.connection, self.now).items()
        }
        yield _gauge("segment_lag_seconds", "How far behind its members are.", "segment", lags)
        still = dict.fromkeys(map(str, Lane), 0.0)
        for standstill in find_standstills(self.connection, self.now):
            still[standstill.lane.value] = (self.now - standstill.since).total_seconds()
        yield _gauge("lane_standstill_seconds", "How long a lane has stood still.", "lane", still)
        failing = Counter(known.kind for known, _ in find_failing_receivers(self.connection))
        yield _gauge(
            "receivers_failing", "Who takes no webhooks or notices.", "kind",
            {"webhook": 0, "notify": 0} | failing,
        )  # fmt: skip
        yield _gauge("alarms", "Alarms nobody cleared.", "kind", count_alarms(self.connection))


def metrics(request: Request) -> Response:
    """Counts only: no figure is of one customer."""
    require_api_key(request)
    services = services_of(request)
    registry, segments = CollectorRegistry(auto_describe=False), services.library().segments
    with services.store.read() as connection:
        registry.register(Figures(connection, segments, services.clock.now()))
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _gauge(name: str, means: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"rekindle_{name}", means, labels=[label])
    for value, figure in sorted(values.items()):
        family.add_metric([value], figure)
    return family


def _single(name: str, means: str, figure: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"rekindle_{name}", means, value=figure)


def _seconds_late(backlog: Backlog, now: datetime) -> float:
    return (now - backlog.oldest_due_at).total_seconds() if backlog.oldest_due_at else 0.0


routes = [Route("/metrics", metrics, methods=["GET"])]
