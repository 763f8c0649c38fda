"""The field's story of two customers with one mailbox: one copy, one no, one budget."""

from pathlib import Path

from rekindle.testkit.playing import play_all
from tests.conftest import ROOT
from tests.shop import LAYOUT
from tests.testkit.builders import MAIL

FIELD = ROOT / "tests" / "addresses"
FILES = {
    "rekindle.yaml": (
        "topics: {offers: {consent: assumed}}\ncaps: {offers: 2 per 7 days}\n"
        'brand: {name: Shop, zone: UTC, address: "1 Street"}\n'
    ),
    "segments/all_people.yaml": "segment: all_people\nmatch: {not: {event: never.happened}}\n",
    "journeys/hello.yaml": (FIELD / "24_hello_journey.yaml").read_text(encoding="utf-8"),
    "tests/dup.yaml": (FIELD / "24_shared_address_story.yaml").read_text(encoding="utf-8"),
    "templates/layouts/brand.html.j2": LAYOUT,
    "templates/win_back/story.html.j2": MAIL,
    "templates/win_back/gift.html.j2": MAIL,
}


def test_two_customers_with_one_mailbox_get_one_copy_and_one_no(tmp_path: Path):
    for place, text in FILES.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text, encoding="utf-8")

    played = list(play_all(tmp_path, {}, ()))

    assert [(one.case, one.problem) for one in played if one.problem] == []
    assert len(played) == 3
