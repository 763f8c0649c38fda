"""Exports of other systems, as they really look: the look gives a command that reads them.

The rows are synthetic; the headers are those of each system's own export.
"""

import json
import shlex
from pathlib import Path

import pytest

from adapters.files.base import scan_file
from adapters.files.packing import Source
from rekindle.cli.app import main

ORDER = "event=const:order.completed"
# name: what is in the file, the fields that the command maps, and how many rows it accepts
EXPORTS: dict[str, tuple[str, list[str], int]] = {
    "woocommerce": (
        '\ufeff"Order Number","Order Status","Order Date","Customer Note","Email (Billing)",'
        '"Order Total Amount","SKU"\n1042,Completed,"2025-12-31 14:00","Bitte klingeln,\nzweimal",'
        "ana@example.com,50.00,0012\n"
        "1043,Processing,2026-01-02 09:10,,ben@example.com,30.00,0013\n",
        ["email=Email (Billing)", "occurred_at=Order Date", ORDER],
        2,
    ),
    "magento": (
        '"ID","Purchase Point","Purchase Date","Grand Total (Base)","Customer Email"\n'
        '"000000042","Main","Dec 31, 2025, 2:00:05 PM","€1,050.00","ana@example.com"\n',
        ["email=Customer Email", "occurred_at=Purchase Date", ORDER],
        1,
    ),
    "etsy": (
        "Sale Date,Order ID,Buyer User ID,Full Name,Ship Zipcode,Order Total\n"
        "12/31/25,3123456789,ana77,Ana A,01067,25.00\n01/13/26,3123456790,ben8,Ben B,69001,17.00\n",
        ["customer_id=Buyer User ID", "occurred_at=Sale Date", ORDER],
        2,
    ),
    "ebay": (
        '"","","","",""\n"Order Number","Buyer Username","Buyer Email","Sold For","Sale Date"\n'
        '"","","","",""\n"12-09876","ana77","ana@example.com","$1,025.00","Dec-31-25"\n',
        ["customer_id=Buyer Username", "email=Buyer Email", "occurred_at=Sale Date", ORDER],
        1,
    ),
    "salesforce": (
        '"Id","FirstName","LastName","Email","Phone","MailingPostalCode","HasOptedOutOfEmail"\r\n'
        '"0035g00000AbCdE","Ana","Ä","ana@example.com","+49 170 1","01067","false"\r\n',
        ["customer_id=Id", "email=Email", "phone=Phone"],
        1,
    ),
    "google_contacts": (
        "First Name,Last Name,Birthday,Labels,E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Value\n"
        "Ana,Ä,--03-14,* myContacts ::: VIP,* Work,ana@example.com,+491701\n",
        ["email=E-mail 1 - Value", "customer_id=E-mail 1 - Value"],
        1,
    ),
    "surveymonkey": (
        "Respondent ID,Date Created,Email Address,First Name,Last Name,How likely is it?\n"
        "118012345678,12/31/2025 02:00:05 PM,ana@example.com,Ana,A,9\n",
        ["email=Email Address", "customer_id=Email Address"],
        1,
    ),
    "typeform": (
        "#,How likely is it?,email,Submit Date (UTC)\nk7d2,9,ana@example.com,2025-12-31 14:00:00\n",
        ["customer_id=email", "email=email"],
        1,
    ),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_the_look_gives_a_command_that_reads_it(
    name: str, tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
):
    text, maps, rows = EXPORTS[name]
    file = tmp_path / f"{name}.csv"
    file.write_bytes(text.encode())
    given = ["--workspace", str(tmp_path), "--database", sqlite_url, "--json"]
    assert main(["init", str(tmp_path)]) == 0
    capsys.readouterr()

    assert main(["import", "--look", str(file), *given]) == 0
    (look,) = json.loads(capsys.readouterr().out)
    words = shlex.split(look["command"])
    assert main([*words[1:], *given]) == 0
    done = json.loads(capsys.readouterr().out)

    assert look["mapping"] is None, "a survey is no list of people who unsubscribed"
    assert [word for at, word in enumerate(words) if words[at - 1] == "--map"] == maps
    assert (done["accepted"], done["rejected"]) == (rows, 0)


@pytest.mark.parametrize(
    "text",
    ["First Name,E-mail Address\nÄ,ana@example.com\n", "Kunde;Gesamt\nJürgen;1.050,00 €\n",
     "Nom,Ville\nRenée,Besançon\n"],
)  # fmt: skip
def test_a_few_western_letters_are_windows_1252(text: str, tmp_path: Path):

    file = tmp_path / "contacts.csv"
    file.write_bytes(text.encode("cp1252"))

    assert scan_file(Source(file)).encoding == "cp1252"
