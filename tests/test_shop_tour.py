"""From a Shopify export to drift and plan: every command is one that the last one named."""

import csv
import re
import shlex
from datetime import timedelta
from pathlib import Path
from random import Random
from textwrap import dedent

import pytest

from rekindle.cli.app import main
from rekindle.clock import SystemClock

# the columns of Orders → Export, as Shopify's documentation lists them
COLUMNS = (
    "Name", "Email", "Financial Status", "Paid at", "Fulfillment Status", "Fulfilled at",
    "Accepts Marketing", "Currency", "Subtotal", "Shipping", "Taxes", "Total", "Discount Code",
    "Discount Amount", "Shipping Method", "Created at", "Lineitem quantity", "Lineitem name",
    "Lineitem price", "Lineitem compare at price", "Lineitem sku", "Lineitem requires shipping",
    "Lineitem taxable", "Lineitem fulfillment status", "Billing Name", "Billing Street",
    "Billing City", "Billing Zip", "Billing Country", "Billing Phone", "Shipping Name",
    "Shipping City", "Shipping Zip", "Shipping Country", "Notes", "Note Attributes",
    "Cancelled at", "Payment Method", "Payment Reference", "Refunded Amount", "Vendor", "Id",
    "Tags", "Risk Level", "Source", "Lineitem discount", "Tax 1 Name", "Tax 1 Value", "Phone",
    "Receipt Number", "Payment ID",
)  # fmt: skip
GUIDE = (Path(__file__).parents[1] / "docs" / "sources.md").read_text("utf-8")
SECTION = GUIDE.partition("### From a shop's export")[2].partition("\n### ")[0]
COMMANDS = dedent("".join(re.findall(r"(?:^    .*\n)+", SECTION, re.MULTILINE))).splitlines()


def write_export(path: Path, customers: int = 60) -> int:
    """Return how many orders of about a year were written, each in a row for every product."""
    chance, now = Random(11), SystemClock().now()
    orders = sorted(
        (now - timedelta(days=chance.uniform(1, 12) + 30 * month), f"person{number}@example.com")
        for number in range(customers)
        for month in range(3 if number % 4 == 0 else 0, 12)  # every fourth has been silent
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        export = csv.DictWriter(file, COLUMNS, restval="")
        export.writeheader()
        for number, (at, email) in reversed(list(enumerate(orders, 1001))):
            created = at.strftime("%Y-%m-%d %H:%M:%S +0000")
            order = {"Name": f"#{number}", "Email": email, "Created at": created,
                     "Lineitem quantity": 1}  # fmt: skip
            paid = {"Financial Status": "paid", "Paid at": created, "Currency": "EUR",
                    "Total": "37.00", "Billing Zip": "'04103", "Id": 5550000 + number}  # fmt: skip
            tea = {"Lineitem name": 'Tea "Earl", 100g', "Lineitem price": "12.00"}
            export.writerow(order | paid | tea)
            export.writerow(order | {"Lineitem name": "Mug", "Lineitem price": "25.00"})
    return len(orders)


def test_a_newcomer_comes_from_an_export_to_drift_and_plan_by_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REKINDLE_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["init", "shop"]) == 0
    monkeypatch.chdir("shop")
    orders = write_export(Path("orders_export.csv"))
    capsys.readouterr()

    assert main(["import", "orders_export.csv"]) == 2
    named = capsys.readouterr().err.splitlines()[-1].strip()
    assert main(shlex.split(named)[1:]) == 0
    imported = capsys.readouterr().out
    further = re.findall(r"'(rekindle \w+)'", imported)
    said = {command: (main(shlex.split(command)[1:]), capsys.readouterr().out)
            for command in further}  # fmt: skip

    assert [named, *further] == COMMANDS
    assert imported.startswith(f"{orders:,} accepted, 0 duplicates, 0 rejected.")
    assert [code for code, _ in said.values()] == [0, 0]
    assert re.search(r"active\s+45\b", said["rekindle drift"][1]), said["rekindle drift"][1]
    assert "win_back" in said["rekindle plan"][1]
