"""What mails are read from: a file, a pipe, an mbox, a Maildir, a folder."""

import os
from pathlib import Path

import pytest

from rekindle.cli.returned_mail import LARGEST_MAIL, read_mails
from rekindle.errors import Malformed, NotFound

MAIL = b"From: a@example.com\nSubject: Hi\n\nYes\n"


def test_a_file_is_one_mail(tmp_path: Path):
    (tmp_path / "a.eml").write_bytes(MAIL)

    assert list(read_mails(tmp_path / "a.eml")) == [("a.eml", MAIL)]


def test_a_pipe_is_read_once():
    reading, writing = os.pipe()
    os.write(writing, MAIL)
    os.close(writing)

    try:
        found = list(read_mails(Path(f"/dev/fd/{reading}")))
    finally:
        os.close(reading)

    assert [raw for _, raw in found] == [MAIL]


def test_an_mbox_is_taken_apart_and_left_as_it_is(tmp_path: Path):
    kept = tmp_path / "mbox"
    kept.write_bytes(b"From x\n" + MAIL + b"\nFrom y\n" + MAIL + b"\n")
    before = kept.read_bytes()

    assert [(name, raw) for name, raw in read_mails(kept)] == [("mbox 1", MAIL), ("mbox 2", MAIL)]
    assert kept.read_bytes() == before


def test_a_maildir_is_read_in_the_order_of_arrival_without_what_is_being_written(tmp_path: Path):
    for place, name in [("new", "3"), ("cur", "1:2,S"), ("cur", "2"), ("tmp", "0"), ("new", ".x")]:
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / name).write_bytes(MAIL)

    assert [name for name, _ in read_mails(tmp_path)] == ["1:2,S", "2", "3"]


def test_a_folder_is_read_file_by_file_and_a_bad_one_spoils_no_other(tmp_path: Path):
    (tmp_path / "a.eml").write_bytes(MAIL)
    (tmp_path / "b.eml").symlink_to(tmp_path / "gone")
    with (tmp_path / "c.eml").open("wb") as large:
        large.truncate(LARGEST_MAIL + 1)
    (tmp_path / "d.eml").write_bytes(MAIL)

    found = dict(read_mails(tmp_path))

    assert [name for name, raw in found.items() if raw == MAIL] == ["a.eml", "d.eml"]
    assert isinstance(found["c.eml"], Malformed)


def test_what_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(NotFound, match=r"none\.eml cannot be read"):
        list(read_mails(tmp_path / "none.eml"))
