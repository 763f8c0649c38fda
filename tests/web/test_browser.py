"""The pages in a real browser: without scripts, by keyboard, from right to left, on a phone."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from store.tables import answers, consents
from tests.browser import launched, needs_chromium
from tests.web.conftest import Site
from web.app import create_app
from web.sign_in import make_sign_in_link

pytestmark = needs_chromium
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def address(small_site: Site) -> Iterator[str]:
    """The application on a real port."""
    config = uvicorn.Config(
        create_app(small_site.services), port=0, log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def tab(chromium) -> Iterator[Any]:
    """A phone's page that runs no scripts."""
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False)
    yield context.new_page()
    context.close()


def a_survey(site: Site, survey: str = "csat", **traits) -> str:
    message = site.message(site.customer("c1", **traits), survey=survey)
    site.pass_time(minutes=10)
    return site.survey_path(message, survey)


def width_of(locator: Any) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"], box["x"] + box["width"]


def test_a_survey_is_answered_by_clicks_alone(small_site, address, tab):
    tab.goto(f"{address}{a_survey(small_site)}?score=2")
    assert tab.locator("input[value='2']").is_checked()
    assert tab.get_by_text("What went wrong?").is_visible()

    tab.locator("label.score", has_text="4").click()
    assert tab.get_by_text("What did we do particularly well?").is_visible()
    assert not tab.get_by_text("What went wrong?").is_visible()
    tab.get_by_label("No, not yet").check()
    tab.get_by_label("Your comment (optional)").fill("Quick and kind")
    small_site.pass_time(seconds=20)
    tab.get_by_role("button", name="Send my answer").click()

    tab.get_by_role("status").wait_for()
    (row,) = small_site.rows(answers)
    assert (row.score, row.comment, row.is_counted) == (4, "Quick and kind", True)


@pytest.mark.parametrize(
    ("viewport", "locale", "send", "change", "not_yet"),
    [
        (PHONE, "en", "Send my answer", "Change my answer", "No, not yet"),
        (DESKTOP, "fa", "ارسال پاسخ", "تغییر پاسخ", "خیر، هنوز نه"),
    ],
    ids=["phone", "desktop, from right to left"],
)
def test_an_answer_stands_while_it_is_being_changed(
    small_site, address, chromium, viewport, locale, send, change, not_yet
):
    context = chromium.new_context(viewport=viewport)
    tab = context.new_page()
    tab.goto(f"{address}{a_survey(small_site, locale=locale)}")
    trap = tab.locator("div", has=tab.locator("input[name='leave_empty']"))
    assert trap.bounding_box()["width"] == 1
    tab.locator("input[value='2']").check()
    tab.get_by_label(not_yet).check()
    small_site.pass_time(seconds=1.4)
    tab.get_by_role("button", name=send).click()
    tab.get_by_role("status").wait_for()

    small_site.pass_time(seconds=0.6)
    tab.get_by_role("link", name=change).click()
    tab.get_by_role("button", name=send).wait_for()
    assert tab.locator("input[value='2']").is_checked()
    assert tab.get_by_label(not_yet).is_checked()
    assert current(small_site) == [(2, "no")]

    tab.locator("input[value='4']").check()
    small_site.pass_time(seconds=1.2)
    tab.get_by_role("button", name=send).click()
    tab.get_by_role("status").wait_for()
    assert current(small_site) == [(4, "no")]
    context.close()


def current(site: Site) -> list[tuple[int, str]]:
    return [(row.score, row.solved) for row in site.rows(answers) if row.is_current]


def test_a_survey_is_answered_by_keyboard_alone(small_site, address, tab):
    tab.goto(f"{address}{a_survey(small_site, 'nps')}")

    tab.keyboard.press("Tab")
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    small_site.pass_time(seconds=20)
    tab.keyboard.press("Enter")

    tab.get_by_role("status").wait_for()
    assert [(row.score, row.is_counted) for row in small_site.rows(answers)] == [(3, True)]


def test_without_a_score_the_form_is_not_sent(small_site, address, tab):
    tab.goto(f"{address}{a_survey(small_site)}")

    tab.get_by_role("button", name="Send my answer").click()

    assert tab.get_by_role("button", name="Send my answer").is_visible()
    assert small_site.rows(answers) == []


def test_from_right_to_left_the_lowest_score_stands_on_the_right(small_site, address, tab):
    tab.goto(f"{address}{a_survey(small_site, 'nps', locale='fa')}")

    lowest, ten = tab.locator("input[value='0']"), tab.locator("input[value='5']")

    assert tab.locator("html").get_attribute("dir") == "rtl"
    assert width_of(lowest)[0] > width_of(ten)[0]
    assert "۰" in tab.locator("label.score").first.inner_text()


@pytest.mark.parametrize("survey", ["csat", "nps"])
def test_on_a_phone_nothing_is_cut_off_and_scores_fit_a_thumb(small_site, address, tab, survey):
    tab.goto(f"{address}{a_survey(small_site, survey)}")

    boxes = [label.bounding_box() for label in tab.locator("label.score").all()]

    assert all(box["width"] >= 40 and box["height"] >= 44 for box in boxes)
    assert max(box["x"] + box["width"] for box in boxes) <= PHONE["width"]


def test_a_scripted_scanner_that_only_looks_answers_nothing(small_site, address, chromium):
    context = chromium.new_context()
    page = context.new_page()

    page.goto(f"{address}{a_survey(small_site)}?score=5")
    page.wait_for_load_state("networkidle")
    context.close()

    assert small_site.rows(answers) == []


def test_preferences_are_changed_by_the_pages_button(small_site, address, tab):
    customer = small_site.customer("c1", locale="ar")
    message = small_site.message(customer, topic="offers")
    token = small_site.services.signer.sign_unsubscribe(message, customer, "offers")
    tab.goto(f"{address}/u/{token}")

    tab.get_by_role("button", name="نعم، أوقفوا هذه الرسائل").click()

    tab.get_by_role("status").wait_for()
    assert [(row.topic, row.status) for row in small_site.rows(consents)] == [("offers", "denied")]


def test_all_that_was_stopped_comes_back_by_the_pages_button(small_site, address, tab):
    customer = small_site.customer("c1")
    message = small_site.message(customer, topic="offers", address="c1@example.com")
    token = small_site.services.signer.sign_unsubscribe(message, customer, "offers")
    tab.goto(f"{address}/u/{token}")
    before = [box.is_checked() for box in tab.locator("input[name^='topic.']").all()]

    tab.get_by_role("button", name="Stop all messages").click()
    tab.get_by_role("button", name="Was this a mistake?").wait_for()
    assert not any(box.is_checked() for box in tab.locator("input[name^='topic.']").all())
    small_site.pass_time(seconds=3)
    tab.get_by_role("button", name="Was this a mistake?").click()

    tab.get_by_text("Your choices have been saved.").wait_for()
    assert [box.is_checked() for box in tab.locator("input[name^='topic.']").all()] == before


def test_the_dashboard_is_entered_by_the_printed_link_and_loads_nothing_foreign(
    small_site, address, tab
):
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text))

    tab.goto(make_sign_in_link(small_site.services, address) or "")

    assert tab.get_by_role("heading", name="How customers are doing").is_visible()
    assert all(url.startswith((address, "data:")) for url in asked)
    assert problems == []


def test_signing_out_ends_the_session(small_site, address, tab):
    tab.goto(make_sign_in_link(small_site.services, address) or "")

    tab.get_by_role("button", name="Sign out").click()
    tab.goto(address)

    assert tab.url == f"{address}/sign-in"
