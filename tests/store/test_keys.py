"""Write keys: let in, found by what they are, shut out."""

from sqlalchemy import select

from store.keys import add_key, find_key, load_keys, revoke_key
from store.records import Trust
from store.session import Store
from store.tables import access_keys
from tests.conftest import MONDAY


def test_a_key_is_found_by_itself_and_stored_only_as_a_digest(store: Store):
    with store.begin() as tx:
        added = add_key(tx, "wk_secret", MONDAY, label="shop", is_browser=True)
        again = add_key(tx, "wk_secret", MONDAY)

    with store.read() as connection:
        found = find_key(connection, "wk_secret")
        stored = repr(connection.execute(select(access_keys)).all())

    assert (added, again) == (True, False)
    assert found is not None
    assert (found.trust, found.name) == (Trust.BROWSER, "shop")
    assert "wk_secret" not in stored


def test_a_revoked_key_is_not_let_in(store: Store):
    with store.begin() as tx:
        add_key(tx, "wk_secret", MONDAY)
        revoked = revoke_key(tx, 1, MONDAY)
        again = revoke_key(tx, 1, MONDAY)

    with store.read() as connection:
        assert find_key(connection, "wk_secret") is None
        assert [key.revoked_at for key in load_keys(connection)] == [MONDAY]
    assert (revoked, again) == (True, False)
