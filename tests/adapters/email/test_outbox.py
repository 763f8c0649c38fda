"""The outbox folder: whole files or none, one for each message."""

import pytest

from adapters.email.base import adapter_names, open_adapter
from adapters.email.outbox import Outbox
from rekindle.errors import ProviderUnavailable, WrongUse
from rekindle.settings import Settings
from tests.adapters.email.conftest import MIME, an_email


def test_a_message_becomes_a_file_named_by_its_id(tmp_path, marks):
    id_ = Outbox(tmp_path / "outbox").open().send(an_email(), marks)

    assert id_ == "42.eml"
    assert (tmp_path / "outbox" / "42.eml").read_bytes() == MIME
    assert marks.count == 1


def test_sent_twice_it_is_still_one_file(tmp_path, marks):
    channel = Outbox(tmp_path).open()
    channel.send(an_email(), marks)
    channel.send(an_email(), marks)

    assert [file.name for file in tmp_path.iterdir()] == ["42.eml"]


def test_the_file_appears_only_after_the_mark(tmp_path):
    seen = []

    Outbox(tmp_path).open().send(an_email(), lambda: seen.append((tmp_path / "42.eml").exists()))

    assert seen == [False]


def test_without_the_mark_nothing_is_handed_over(tmp_path):
    def fails():
        raise RuntimeError("no commit")

    with pytest.raises(RuntimeError):
        Outbox(tmp_path).open().send(an_email(), fails)
    assert not (tmp_path / "42.eml").exists()


def test_a_folder_that_cannot_be_written_is_tried_again_later(tmp_path, marks):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ProviderUnavailable, match="the outbox cannot be written"):
        Outbox(tmp_path / "file").open().send(an_email(), marks)
    assert marks.count == 0


def test_adapters_are_found_by_the_names_of_their_files(tmp_path):
    assert adapter_names() == ("outbox", "sendgrid", "smtp")
    assert all(open_adapter(one, Settings(), tmp_path).name == one for one in adapter_names())
    with pytest.raises(WrongUse, match="no provider is called 'pigeon'; there are outbox"):
        open_adapter("pigeon", Settings(), tmp_path)
