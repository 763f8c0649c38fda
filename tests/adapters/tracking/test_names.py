"""Names of events as we store them."""

import pytest

from adapters.tracking.names import canonical_name


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("Order Completed", "order.completed"),
        ("Checkout Step Viewed", "checkout_step.viewed"),
        ("order.completed", "order.completed"),
        ("checkout_step.viewed", "checkout_step.viewed"),
        ("orderCompleted", "order.completed"),
        ("order_completed", "order.completed"),
        ("order-completed!", "order.completed"),
        ("URLViewed", "url.viewed"),
        ("Signup", "signup"),
        ("  Retry   me ", "retry.me"),
        ("Sipariş Tamamlandı", "sipariş.tamamlandı"),
        ("سفارش ثبت", "سفارش.ثبت"),
        ("Live Chat Conversation Ended", "chat.ended"),
        ("chat.ended", "chat.ended"),
        ("?!", ""),
        ("", ""),
    ],
)
def test_the_last_word_is_the_verb_and_the_others_are_joined(original: str, name: str):
    assert canonical_name(original) == name


@pytest.mark.parametrize("original", ["Order Completed", "URLViewed", "A b c d", "x1Y2 z"])
def test_a_name_of_ours_is_its_own(original: str):
    name = canonical_name(original)

    assert canonical_name(name) == name
