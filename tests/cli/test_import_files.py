"""Files as people have them, each read as its author meant it.

The files are synthetic, shaped after public reports of imports that went wrong.
"""

import json
import shlex
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli.app import main

FILES = Path(__file__).parents[1] / "imports"
NOW = "2026-03-02T09:00:00Z"
NOON = "2025-12-31T14:00:00Z"


class Shop:
    """A workspace with commands to run in it, and copies of the files beside it."""

    def __init__(self, folder: Path, database: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.database, self.capsys = folder, database, capsys

    def run(self, *words: str, code: int = 0) -> Any:
        given = ["--workspace", str(self.folder), "--database", self.database]
        given += ["--now", NOW, "--json"]
        assert main([*words, *given]) == code, self.capsys.readouterr().err
        said = self.capsys.readouterr()
        self.told = said.err
        if words[0] == "export":
            return [json.loads(line) for line in said.out.splitlines()]
        return json.loads(said.out)

    def take(self, name: str, *words: str, code: int = 0) -> tuple[int, int, int]:
        path = self.folder / name
        if not path.exists():
            shutil.copyfile(FILES / name, path)
        counts = self.run("import", str(path), *words, code=code)
        return counts["accepted"], counts["duplicates"], counts["rejected"]

    def error(self, name: str, *words: str, code: int = 2) -> str:
        shutil.copyfile(FILES / name, self.folder / name)
        told = self.run("import", str(self.folder / name), *words, code=code)
        return str(told["error"])

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(row["occurred_at"], row["properties"]) for row in self.run("export", "events")]

    def traits(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row["traits"] for row in self.run("export", "customers")}

    def consents(self) -> set[tuple[str, str, str]]:
        found = self.run("export", "consents")
        return {(row["customer"], row["topic"], row["status"]) for row in found}

    def rejects(self, name: str) -> list[dict[str, Any]]:
        written = (self.folder / f"{name}.rejects.jsonl").read_text("utf-8")
        return [json.loads(line) for line in written.splitlines()]


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> Shop:
    return Shop(tmp_path, sqlite_url, capsys)


@pytest.fixture
def in_berlin(shop: Shop) -> Shop:
    (shop.folder / "rekindle.yaml").write_text("brand: {zone: Europe/Berlin}\n")
    return shop


ANA = {"email": "ana@example.com", "first_name": "Ana"}
BEN = {"email": "ben@example.com", "first_name": "Ben"}


@pytest.mark.parametrize(
    ("name", "people"),
    [
        ("01_excel_bom_semicolon.csv", {
            "1": {**ANA, "city": "Köln; Süd"},
            "2": {**BEN, "city": "Ulm"},
        }),
        ("01b_excel_bom_quoted.csv", {"1": ANA}),
        ("01c_excel_sep_line.csv", {"1": ANA}),
        ("01d_excel_unicode_text.txt", {"1": {**ANA, "first_name": "Åna"}}),
        ("01e_utf16.csv", {"1": {**ANA, "first_name": "Åna"}}),
        ("02_win1252.csv", {"1": {**ANA, "first_name": "Zoë"}, "2": BEN}),
        ("02b_win1252_header.csv", {"1": {"email": "ana@example.com", "Straße": "Hauptstr. 1"}}),
        ("09_dup_headers.csv", {
            "1": {"email": "ana@example.com", "Name": "Ana", "Name (2)": "Ana A"},
        }),
        ("09b_dup_header_case.csv", {
            "1": {"email": "ana@example.com", "Email": "other@example.com"},
        }),
        ("10_trailing_sep.csv", {"1": ANA, "2": BEN}),
        ("13b_inch.csv", {
            "1": {"email": "ana@example.com", "note": '27" monitor'},
            "2": {"email": "ben@example.com", "note": "ok"},
        }),
        ("14_psql_padded.csv", {
            "1": {"email": "ana@example.com", "name": "Ana", "attributes": {"mailchimp": True}},
        }),
        ("15_cr_only.csv", {"1": ANA, "2": BEN}),
        ("18_nbsp.csv", {"1": {"email": "ana@example.com", "total": 48.5}}),
        ("22_zip.csv", {
            "1": {"email": "a@example.com", "zip": "10115"},
            "2": {"email": "b@example.com", "zip": "01067"},
        }),
    ],
)  # fmt: skip
def test_a_list_of_customers_is_read_as_it_is(shop: Shop, name: str, people: Any):
    assert shop.take(name) == (len(people), 0, 0)
    assert shop.traits() == people


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("01d_excel_unicode_text.txt", "UTF-16; tab-separated"),
        ("01e_utf16.csv", "UTF-16"),
        ("02_win1252.csv", "Windows-1252; semicolon-separated"),
        ("02b_win1252_header.csv", "Windows-1252"),
        ("04_epochs.csv", "occurred_at mixes Unix time in s, Unix time in ms, Unix time in µs"),
    ],
)
def test_what_nobody_expects_of_a_file_is_told(shop: Shop, name: str, told: str):
    shop.take(name)

    assert told in shop.told


def test_an_encoding_may_be_named(shop: Shop):
    shop.take("02_win1252.csv", "--encoding", "windows-1252")

    assert shop.traits()["1"]["first_name"] == "Zoë"


EUROPE = [("2025-12-31T13:00:00Z", 48.5), ("2025-11-05T08:30:00Z", 1234.56)]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("03_orders_eu.csv", EUROPE),
        ("03b_orders_de_dots.csv", EUROPE[:1]),
        ("03c_orders_us.csv", [("2025-12-31T13:00:00Z", 1234.56), ("2026-01-05T13:00:00Z", 48.5)]),
    ],
)
def test_dates_and_amounts_of_a_country_are_read_in_the_brands_zone(
    in_berlin: Shop, name: str, rows: Any
):
    in_berlin.take(name)

    assert [(at, properties["total"]) for at, properties in in_berlin.events()] == rows


def test_a_day_that_may_be_a_month_is_refused_until_somebody_says_so(shop: Shop):
    path = shop.folder / "orders.csv"
    path.write_text("customer_id,event,occurred_at\n1,order.completed,1/5/2026 14:00\n")

    told = shop.run("import", str(path), code=2)["error"]
    assert "'1/5/2026 14:00' in 'occurred_at' may have the day or the month first" in told
    assert "--type 'occurred_at'=MM/DD/YYYY" in told
    shop.run("import", str(path), "--type", "occurred_at=MM/DD/YYYY Europe/Berlin")
    assert [at for at, _ in shop.events()] == ["2026-01-05T13:00:00Z"]


def test_decimal_commas_are_summed_with_whole_numbers(shop: Shop):
    shop.take("03d_decimal_comma_iso_date.csv")

    totals = [properties["total"] for _, properties in shop.events()]
    assert totals == [48.5, 1234.56, 60]
    assert sum(totals) == pytest.approx(1343.06)


def test_an_amount_that_may_have_a_comma_or_thousands_is_refused_until_named(shop: Shop):
    path = shop.folder / "orders.csv"
    path.write_text("customer_id;event;occurred_at;total\n1;a.b;2026-01-01;1,234\n")

    assert "decimal comma or thousands" in shop.run("import", str(path), code=2)["error"]
    shop.run("import", str(path), "--type", "total=number 1.234,56")
    assert shop.events()[0][1] == {"total": 1.234}


def test_numbers_are_instants_in_whatever_unit(in_berlin: Shop):
    in_berlin.take("04_epochs.csv")

    local = "2025-12-31T13:00:00Z"
    assert [at for at, _ in in_berlin.events()] == [
        NOON, NOON, NOON, "2025-12-31T14:00:00.500000Z", NOON,
        local, "2025-12-30T23:00:00Z", local, local,
    ]  # fmt: skip


def test_an_order_in_several_rows_is_one_event_with_its_items(shop: Shop):
    assert shop.take("05_shopify_orders.csv", "--as", "shopify_orders") == (2, 0, 0)

    (_, first), (_, second) = shop.events()
    assert first["items"] == [
        {"name": 'Tea "Earl" 100g', "quantity": 1, "price": 20},
        {"name": "Mug", "quantity": 2, "price": 25},
    ]
    assert (first["total"], first["order_id"], second["items"]) == (
        75, "5550001", [{"name": "Tea", "quantity": 1, "price": 20}],
    )  # fmt: skip
    assert second["financial_status"] == "refunded"
    assert set(shop.traits()) == {"ana@example.com", "ben@example.com"}


def test_an_order_whose_rows_stand_apart_is_one_event_with_all_its_items(shop: Shop):
    header, order, rest, other = read_orders()
    (shop.folder / "apart.csv").write_text(header + order + other + rest, "utf-8")

    assert shop.take("apart.csv", "--as", "shopify_orders") == (2, 0, 0)

    found = {properties["order_name"]: properties for _, properties in shop.events()}
    assert [item["name"] for item in found["#1001"]["items"]] == ['Tea "Earl" 100g', "Mug"]
    assert found["#1001"]["total"] == 75
    assert shop.take("05_shopify_orders.csv", "--as", "shopify_orders") == (0, 2, 0)


def read_orders() -> tuple[str, str, str, str]:
    """The header, the first order's two rows, of which the first takes two lines, and the other."""
    lines = (FILES / "05_shopify_orders.csv").read_text("utf-8").splitlines(keepends=True)
    return lines[0], "".join(lines[1:3]), lines[3], lines[4]


def test_the_next_export_counts_no_order_again(shop: Shop):
    shop.take("05_shopify_orders.csv", "--as", "shopify_orders")
    text = (FILES / "05_shopify_orders.csv").read_text("utf-8")
    changed = text.replace(",paid,", ",refunded,").replace("Id\n", "Id,Tags\n")
    wider = changed.replace("5550001\n", "5550001,vip\n").replace("5550002\n", "5550002,\n")
    (shop.folder / "next.csv").write_text(wider, "utf-8")

    assert shop.take("next.csv", "--as", "shopify_orders") == (0, 2, 0)


def test_orders_go_to_whoever_has_their_address(shop: Shop):
    (shop.folder / "people.csv").write_text("customer_id,email\n7,Ana@Example.com\n")
    shop.take("people.csv")

    shop.take("05_shopify_orders.csv", "--as", "shopify_orders")

    assert set(shop.traits()) == {"7", "ben@example.com"}


def test_stripe_keeps_the_last_four_digits_with_their_zeros(shop: Shop):
    assert shop.take("06_stripe_customers.csv", "--as", "stripe_customers") == (2, 0, 0)

    found = shop.traits()
    assert found["cus_A1"] == {
        "email": "ana@example.com", "name": "Ana A", "created_at": NOON, "delinquent": False,
        "card_last4": "0042", "currency": "eur", "total_spend": 123.45, "payment_count": 3,
    }  # fmt: skip
    assert (found["cus_B2"]["card_last4"], found["cus_B2"]["description"]) == (
        "4242",
        "multi\nline",
    )


def test_mailchimps_subscribers_have_a_birthday_without_a_year_and_a_yes(shop: Shop):
    shop.take("07_mailchimp_subscribed.csv", "--as", "mailchimp_subscribed")

    (found,) = shop.traits().items()
    assert found[0] == "ana@example.com"
    assert found[1] | {"email": "Ana@Example.com"} == found[1]
    assert (found[1]["birthday"], found[1]["tags"]) == ("--03-14", ["VIP", "beta"])
    assert shop.consents() == {("ana@example.com", "news", "granted")}


def test_who_unsubscribed_elsewhere_is_never_granted(shop: Shop):
    shop.take("07b_mailchimp_unsubscribed.csv", "--as", "mailchimp_unsubscribed")

    assert shop.consents() == {
        ("ben@example.com", topic, "denied") for topic in ("offers", "news", "surveys")
    }


def test_an_unsubscribed_flag_says_no_and_its_absence_says_nothing(shop: Shop):
    assert shop.take("08_hubspot.csv", "--as", "hubspot_contacts") == (2, 0, 0)
    assert set(shop.traits()) == {"151", "152"}
    assert shop.consents() == set()

    text = (FILES / "08_hubspot.csv").read_text("utf-8")
    (shop.folder / "later.csv").write_text(text.replace('"false"', '"true"'), "utf-8")
    shop.take("later.csv", "--as", "hubspot_contacts")
    assert {status for _, _, status in shop.consents()} == {"denied"}


def test_a_solved_ticket_is_opened_and_solved(shop: Shop):
    assert shop.take("12_zendesk.csv", "--as", "zendesk_tickets") == (1, 0, 0)

    rows = shop.run("export", "events")
    assert [(row["customer"], row["name"], row["occurred_at"]) for row in rows] == [
        ("1", "ticket.opened", NOON),
        ("1", "ticket.solved", "2026-01-02T10:00:00Z"),
    ]
    assert {row["properties"]["ticket_id"] for row in rows} == {"35436"}


def test_klaviyos_events_name_their_person_inside(shop: Shop):
    assert shop.take("16_klaviyo.jsonl", "--as", "klaviyo_events") == (1, 0, 0)

    (row,) = shop.run("export", "events")
    assert (row["customer"], row["name"], row["occurred_at"]) == ("01AB", "order.completed", NOON)
    assert row["properties"] == {"$value": 75.5, "Items": ["Tea"]}
    assert shop.traits() == {"01AB": {"email": "ana@example.com"}}


@pytest.mark.parametrize(("name", "accepted"), [("11_array.json", 2), ("11b_pretty.json", 1)])
def test_json_need_not_be_an_object_a_line(shop: Shop, name: str, accepted: int):
    assert shop.take(name) == (accepted, 0, 0)


def test_a_quote_that_never_closes_costs_its_line_only(shop: Shop):
    assert shop.take("13_unbalanced_quote.csv", code=1) == (3, 0, 1)

    assert set(shop.traits()) == {"1", "3", "4"}
    (reject,) = shop.rejects("13_unbalanced_quote.csv")
    assert reject["line"] == 3
    assert reject["reason"] == "a quote that is opened in line 3 never closes"
    assert reject["row"] == '2,ben@example.com,"oops'


def test_a_workbook_under_another_name_is_told_to_be_one(shop: Shop):
    assert "is a workbook although its name ends in .csv" in shop.error(
        "17b_excel_renamed.csv", code=1
    )


def test_names_with_dots_and_blanks_are_kept_and_typed(shop: Shop):
    shop.take("23_dotted_headers.csv")

    assert shop.events()[0][1] == {"Bestell-Nr.": "A17", "No. of items": 3}


def test_a_column_that_means_no_may_be_mapped_by_hand(shop: Shop):
    path = shop.folder / "people.csv"
    path.write_text("customer_id,gone\n1,true\n2,false\n3,\n")

    shop.run("import", str(path), "--kind", "customers", "--map", "consent.news=not:gone")

    assert shop.consents() == {("1", "news", "denied")}


def test_consents_are_understood_in_the_words_of_other_lists(shop: Shop):
    words = ["subscribed", "Unsubscribed", "cleaned", "pending", "opted_in", "bounced"]
    rows = "".join(f"{at},{word}\n" for at, word in enumerate(words))
    (shop.folder / "a.csv").write_text("customer_id,consent.news\n" + rows)

    shop.take("a.csv")

    assert {who: status for who, _, status in shop.consents()} == {
        "0": "granted", "1": "denied", "2": "denied", "3": "unknown", "4": "granted", "5": "denied",
    }  # fmt: skip


def test_a_mapping_of_the_workspace_comes_before_the_ready_one(shop: Shop):
    (shop.folder / "imports").mkdir()
    (shop.folder / "imports/stripe_customers.yaml").write_text(
        "import: stripe_customers\nkind: customers\nmap: {customer_id: Email}\nignore: ['*']\n"
    )

    shop.take("06_stripe_customers.csv", "--as", "stripe_customers")

    assert shop.traits() == {"ana@example.com": {}, "ben@example.com": {}}


def test_a_mapping_that_is_not_there_or_wrong_is_told_with_its_place(shop: Shop):
    assert "choose from" in shop.error("22_zip.csv", "--as", "nobodys", code=1)
    (shop.folder / "imports").mkdir()
    (shop.folder / "imports/mine.yaml").write_text("import: mine\nkind: customers\nmap: {a: {}}\n")
    assert "imports/mine.yaml:3" in shop.error("22_zip.csv", "--as", "mine", code=1)


def look(shop: Shop, name: str, content: str, *words: str) -> Any:
    (shop.folder / name).write_text(content, "utf-8")
    (found,) = shop.run("import", "--look", str(shop.folder / name), *words)
    return found


def test_a_look_shows_what_is_in_a_file_and_imports_nothing(shop: Shop):
    found = look(
        shop, "a.csv",
        "Kunden-Nr;E-Mail;Bestelldatum;Betrag;Vertrag\n"
        "A;ana@example.com;1/5/2026;2,5;\nB;nope;2/5/2026;1,234;\n"
        'a;ana@example.com;2/5/2026;2,5;\nc;"oops;;;\n',
    )  # fmt: skip

    columns = {column["column"]: column for column in found["columns"]}
    assert (found["kind"], found["read_as"], found["rows_looked_at"]) == (
        "events", ["semicolon-separated"], 3,
    )  # fmt: skip
    assert columns["Kunden-Nr"]["becomes"] == "customer_id"
    assert columns["Betrag"]["type"] == "number, decimal comma"
    assert columns["Betrag"]["examples"] == ["2,5 → 2.5", "1,234 → 1.234"]
    assert "day or the month first" in columns["Bestelldatum"]["problem"]
    assert columns["Vertrag"]["filled"] == 0
    assert found["problems"] == [
        "1 × a quote that is opened in line 5 never closes (first in line 5)",
        "cannot be used as addresses (1): 'nope' (it has no @)",
        "shared by several customers (1): ana@example.com by A, a",
        "ids that differ only in case (1): A, a",
    ]
    assert shop.events() == []


def test_the_command_of_a_look_imports_the_file(shop: Shop):
    found = look(
        shop, "orders of may.csv",
        "Kunden-Nr;E-Mail;Bestelldatum;Betrag\n1;ana@example.com;1/5/2026;2,5\n",
    )  # fmt: skip

    program, command, *words = shlex.split(found["command"])
    assert (program, command) == ("rekindle", "import")
    assert shop.run(command, *words)["accepted"] == 1
    assert shop.events() == [("2026-05-01T00:00:00Z", {"Betrag": 2.5})]


def test_a_look_knows_the_ready_mappings(shop: Shop):
    ready = {
        "05_shopify_orders.csv": "shopify_orders",
        "06_stripe_customers.csv": "stripe_customers",
        "07_mailchimp_subscribed.csv": "mailchimp_subscribed",
        "07b_mailchimp_unsubscribed.csv": "mailchimp_unsubscribed",
        "08_hubspot.csv": "hubspot_contacts",
        "12_zendesk.csv": "zendesk_tickets",
        "16_klaviyo.jsonl": "klaviyo_events",
        "03_orders_eu.csv": None,
    }

    found = shop.run("import", "--look", *(str(FILES / name) for name in ready))

    assert [look["mapping"] for look in found] == list(ready.values())


def test_an_import_of_columns_that_do_not_fit_names_the_command_that_would(shop: Shop):
    told = shop.error("05_shopify_orders.csv")

    assert "05_shopify_orders.csv looks like a file of imports/shopify_orders.yaml" in told
    assert f"rekindle import --as shopify_orders {shop.folder}/05_shopify_orders.csv" in told


SHAPES: dict[str, tuple[str, dict[str, Any], set[tuple[str, str, str]]]] = {
    "shopify_customers": (
        "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Zip,Phone,"
        "Total Spent,Total Orders,Tags\n'7001,Ana,A,ana@example.com,yes,01067,'+491701,48.50,2,"
        '"vip, tea"\n7002,Ben,,ben@example.com,no,,,0.00,0,\n',
        {"7001": {"email": "ana@example.com", "zip": "01067", "phone": "+491701",
                  "total_spent": 48.5, "tags": ["vip", "tea"]}},
        {("7001", "news", "granted"), ("7002", "news", "denied")},
    ),
    "klaviyo_profiles": (
        "Email,Klaviyo ID,First Name,Zip Code,Email Marketing Consent,Email Suppressions\n"
        "ana@example.com,01AB,Ana,01067,SUBSCRIBED,\nben@example.com,01CD,,,UNSUBSCRIBED,\n"
        "cat@example.com,01EF,,,NEVER_SUBSCRIBED,HARD_BOUNCE\n",
        {"01AB": {"email": "ana@example.com", "first_name": "Ana", "zip": "01067"}},
        {("01AB", "news", "granted"), ("01CD", "news", "denied"), ("01EF", "news", "unknown")},
    ),
    "customerio_people": (
        "id,email,created_at,unsubscribed,plan\n1,ana@example.com,1767189600,false,gold\n"
        "2,ben@example.com,1767189600,true,\n",
        {"1": {"email": "ana@example.com", "created_at": NOON, "plan": "gold"}},
        {("2", topic, "denied") for topic in ("offers", "news", "surveys")},
    ),
    "braze_users": (
        "external_id,email,first_name,dob,email_subscribe,time_zone,total_revenue\n"
        "1,ana@example.com,Ana,1990-03-14,opted_in,Europe/Berlin,48.5\n"
        "2,ben@example.com,,,unsubscribed,,\n3,cat@example.com,,,subscribed,,\n",
        {"1": {"email": "ana@example.com", "birthday": "1990-03-14", "zone": "Europe/Berlin",
               "total_revenue": 48.5}},
        {("1", "news", "granted"), ("3", "news", "unknown"),
         *(("2", topic, "denied") for topic in ("offers", "news", "surveys"))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_a_ready_mapping_reads_a_file_of_its_shape(shop: Shop, name: str):
    content, people, consents = SHAPES[name]
    path = shop.folder / f"{name}.csv"
    path.write_text(content, "utf-8")

    (found,) = shop.run("import", "--look", str(path))
    assert (found["mapping"], found["problems"]) == (name, [])
    shop.run("import", str(path), "--as", name)

    traits = shop.traits()
    assert {id_: traits[id_] | wanted for id_, wanted in people.items()} == {
        id_: traits[id_] for id_ in people
    }
    assert shop.consents() == consents


def test_addresses_that_bounced_elsewhere_are_suppressed(shop: Shop):
    (shop.folder / "a.csv").write_text(SHAPES["klaviyo_profiles"][0], "utf-8")
    (shop.folder / "b.csv").write_text("Email Address,MEMBER_RATING\nDan@Example.com,1\n")

    shop.take("a.csv", "--as", "klaviyo_profiles")
    shop.take("b.csv", "--as", "mailchimp_cleaned")

    rows = shop.run("export", "suppressions")
    assert {(row["address"], row["detail"]) for row in rows} == {
        ("cat@example.com", "HARD_BOUNCE"), ("dan@example.com", "cleaned by Mailchimp"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("consents: {ofers: {value: denied}}", "Did you mean 'offers'?"),
        ("consents: {offers: {}}", "a column or a value"),
        ("types: {a: nummer}", "is no type"),
        ("zone: Europe/Nowhere", "there is no zone"),
        ("encoding: utf9", "there is no encoding"),
        ("items: {sku: SKU}", "needs 'key'"),
        ("separator: ';;'", "does not fit"),
        ("mapp: {}", "Did you mean 'map'?"),
    ],
)
def test_a_mapping_is_checked_like_everything_else(shop: Shop, line: str, problem: str):
    (shop.folder / "imports").mkdir()
    kind = "events" if line.startswith("items") else "customers"
    (shop.folder / "imports/mine.yaml").write_text(f"import: mine\nkind: {kind}\n{line}\n")

    (found,) = shop.run("check", code=1)["problems"]

    assert (found["file"], found["line"]) == ("imports/mine.yaml", 3)
    assert problem in f"{found['message']} {found['hint']}"


def test_standard_input_is_read_like_a_file(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    class Piped:
        buffer = BytesIO(b"customer_id,email\n1,ana@example.com\n")

    monkeypatch.setattr("sys.stdin", Piped())

    assert shop.run("import", "-")["accepted"] == 1


@pytest.mark.parametrize(
    ("name", "rule", "member"),
    [
        ("22_zip.csv", 'match: {trait: zip, in: ["10115", "01067"]}', ["1", "2"]),
        ("22_zip.csv", 'match: {trait: zip, starts_with: "1"}', ["1"]),
        ("22_zip.csv", 'match: {trait: zip, starts_with: "0"}', ["2"]),
        ("23_dotted_headers.csv",
         'match: {event: order.completed, where: {"Bestell-Nr.": A17}}', ["1"]),
        ("23_dotted_headers.csv",
         'match: {event: order.completed, sum_of: "No. of items", exactly: 3}', ["1"]),
        ("03d_decimal_comma_iso_date.csv",
         "match: {event: order.completed, sum_of: total, between: [1343.05, 1343.07]}", ["1"]),
    ],
)  # fmt: skip
def test_what_was_imported_can_be_asked_about(shop: Shop, name: str, rule: str, member: list[str]):
    (shop.folder / "segments").mkdir()
    (shop.folder / "segments/asked.yaml").write_text(f"segment: asked\n{rule}\n")
    shop.take(name)
    shop.run("apply", "--allow", "100")

    assert shop.run("segment", "asked", "--members")["members"] == member


def test_a_ticket_of_a_file_is_closed_by_the_live_event(shop: Shop):
    (shop.folder / "segments").mkdir()
    (shop.folder / "segments/open_ticket.yaml").write_text(
        "segment: open_ticket\n"
        "match: {event: ticket.opened, without_later: [ticket.solved], same: ticket_id}\n"
    )
    shop.take("21_ticket_history.csv")
    shop.run("apply", "--allow", "100")
    assert shop.run("segment", "open_ticket", "--members")["members"] == ["1"]

    shop.take("21_ticket_live.jsonl")

    assert shop.run("segment", "open_ticket", "--members")["members"] == []
