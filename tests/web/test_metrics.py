"""`/metrics`: what a monitor sees, and who may look."""

from prometheus_client.parser import text_string_to_metric_families as parsed

from store.keys import add_key
from store.memberships import save_memberships
from store.records import Membership
from tests.web.conftest import Site


def figures(site: Site) -> dict[tuple[str, ...], float]:
    """Every sample by its name and labels."""
    text = site.client.get("/metrics", headers={"Authorization": "Bearer ak_monitor"}).text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


def let_monitor_in(site: Site) -> None:
    with site.services.store.begin() as tx:
        add_key(tx, "ak_monitor", site.clock.now(), kind="api")
        add_key(tx, "wk_shop", site.clock.now())


def test_figures_need_an_api_key(site):
    let_monitor_in(site)

    nobody = site.client.get("/metrics")
    sender = site.client.get("/metrics", headers={"Authorization": "Bearer wk_shop"})

    assert (nobody.status_code, sender.status_code) == (401, 401)
    assert "keys add --api" in nobody.text


def test_an_accepted_event_is_a_pending_change_until_a_segment_saw_it(site):
    let_monitor_in(site)
    before = figures(site)

    site.client.post("/v1/track", json={"userId": "u1", "event": "X Done", "writeKey": "wk_shop"})

    assert before[("rekindle_pending_changes",)] == 0
    assert figures(site)[("rekindle_pending_changes",)] == 1


def test_every_sort_of_due_work_is_named_even_when_there_is_none(site):
    let_monitor_in(site)

    found = figures(site)

    sorts = {labels[1] for labels in found if labels[0] == "rekindle_due"}
    assert sorts == {"segment_check", "enrollment", "message", "effect"}
    assert all(found[("rekindle_lateness_seconds", sort)] == 0 for sort in sorts)


def test_an_applied_segment_has_a_size_even_when_nobody_is_in_it(site):
    let_monitor_in(site)
    for name in ("buyers", "callers"):
        site.write(f"segments/{name}.yaml", f"segment: {name}\nmatch: {{event: order.completed}}\n")
    site.apply()
    member = Membership("buyers", site.customer(), True, site.clock.now(), None)
    with site.services.store.begin() as tx:
        save_memberships(tx, [member])

    found = figures(site)

    assert found[("rekindle_segment_members", "buyers")] == 1
    assert found[("rekindle_segment_members", "callers")] == 0
