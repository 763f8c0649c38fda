"""Links that were sent lead where they led, whatever became of their template."""

from store.editions import find_address, save_editions


def test_a_numbered_link_leads_where_its_edition_said(store):
    with store.begin() as tx:
        save_editions(tx, {"a1": ("https://shop.example.com/", "https://shop.example.com/new")})
        save_editions(tx, {"a1": ("https://elsewhere.example.com/",), "b2": ()})

    with store.read() as connection:
        assert find_address(connection, "a1", 2) == "https://shop.example.com/new"
        assert find_address(connection, "a1", 3) is None
        assert find_address(connection, "a1", 0) is None
        assert find_address(connection, "c3", 1) is None
