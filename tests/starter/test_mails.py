"""Every mail of the starter reads well, for somebody we know nothing about and for a known name."""

from datetime import UTC, datetime

import pytest

from rekindle import ENGINE_ROOT
from rekindle.workspace.folder import read_folder
from store.records import Customer, CustomerId
from templates.compile import compile_mail
from templates.context import Drifting, Occasion, Said, Told, build_context
from templates.links import MailLinks, Signer
from templates.render import render
from templates.survey_card import SurveyCard

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LIBRARY, _PROBLEMS = read_folder(ENGINE_ROOT / "starter", {})
MAILS = sorted({name.split(".")[0] for name in LIBRARY.templates if name[:7] != "layouts"})
LINKS = MailLinks(Signer("secret"), "https://mail.example.com", 7, 3, "offers")


def told_about(**traits):
    """What the mails may say about a customer with these traits."""
    scores = {"csat": range(1, 6), "nps": range(11)}
    return Told(
        Customer(CustomerId(3), "c3", {"email": "c3@example.com", **traits}),
        now=NOW,
        zone=UTC,
        event=Occasion("ticket.solved", NOW, {"ticket_id": "77"}),
        answers={name: Said(2, "too slow") for name in scores},
        drift=Drifting("drifting", 0.8, 24, "Usually buys every 6 days."),
        cards={
            name: SurveyCard(name, "How was it?", "bad", "good", tuple(found), "en")
            for name, found in scores.items()
        },
    )


def rendered(name, locale="en", **traits):
    """The mail `name` as a customer with these traits would get it."""
    mail = compile_mail(name, locale, LIBRARY.templates)
    return render(mail, build_context(told_about(**traits), LIBRARY.settings.brand, LIBRARY.data),
                  LINKS)  # fmt: skip


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_reads_well_for_somebody_we_hardly_know(name):
    mail = rendered(name)

    assert mail.subject
    assert "{{" not in mail.html
    assert "None" not in mail.text
    assert LINKS.unsubscribe_url in mail.html


@pytest.mark.parametrize(
    ("locale", "side", "greeting"),
    [("en", "ltr", "Hello Sara"), ("fa-IR", "rtl", "Sara گرامی،"), ("ar-EG", "rtl", "مرحبًا Sara،")],
)  # fmt: skip
def test_the_win_back_mail_speaks_the_language_of_its_reader(locale, side, greeting):
    mail = rendered("win_back/we_miss_you", locale, first_name="Sara")

    assert f'dir="{side}"' in mail.html
    assert greeting in mail.text.replace("\u2068", "").replace("\u2069", "")


def test_a_survey_is_a_row_of_scores():
    html = rendered("surveys/csat").html

    assert all(f"?score={score}" in html for score in range(1, 6))
