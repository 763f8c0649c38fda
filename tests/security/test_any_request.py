"""Whatever anybody sends to whatever address, it is answered, and never with a mistake of ours."""

from collections import Counter

import pytest

from tests.security.any_request import Attack, Attacker, operations_of
from tests.web.conftest import Site
from web.sign_in import make_sign_in_link

SEED = 11
COSTLY = "/api/v1/plan"  # plays a day forward each time
RESIGN = 200  # requests; one of them may be the one that signs out


def attack(house: Site, count: int) -> Counter[int]:
    """The statuses of so many answers; what is answered with a mistake of ours fails."""
    people = [house.customer(f"c{number}") for number in range(3)]
    message = house.message(people[0], survey="csat")
    signer = house.services.signer
    tokens = [
        signer.sign_survey(message, "csat"),
        signer.sign_unsubscribe(message, people[0], "offers"),
        signer.sign_open(message),
        signer.sign_view(message),
        signer.sign_click(message, "https://shop.example/?a=1&currency=EUR"),
    ]
    operations = [found for found in operations_of(house) if found[1] != COSTLY]
    attacker = Attacker(SEED, operations, tokens)
    statuses: Counter[int] = Counter()
    for number in range(count):
        if number % RESIGN == 0:
            link = make_sign_in_link(house.services)
            assert link is not None
            house.client.get(link)
        tried = attacker.draw()
        status = _send(house, tried)
        assert status < 500, tried
        statuses[status] += 1
    return statuses


def _send(house: Site, attack: Attack) -> int:
    headers = {name.encode(): value.encode("latin-1") for name, value in attack.headers.items()}
    answer = house.client.request(
        attack.method, attack.address, headers=headers, content=attack.body
    )
    return answer.status_code


def test_no_request_is_answered_with_a_mistake_of_ours(house: Site):
    statuses = attack(house, 500)

    # many kinds of answers were met, so that it was no wall that everything ran against
    assert {200, 303, 400, 401, 403, 404, 405, 422} <= statuses.keys()


@pytest.mark.deep
def test_no_request_of_20000_is_answered_with_a_mistake_of_ours(house: Site):
    statuses = attack(house, 20_000)

    assert {200, 302, 303, 400, 401, 403, 404, 405, 410, 421, 422, 429} <= statuses.keys()
