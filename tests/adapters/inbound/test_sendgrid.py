"""SendGrid's signature, over batches signed elsewhere."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.inbound.sendgrid import verify_reports
from rekindle.errors import WebhookNotGenuine


@pytest.mark.parametrize("number", range(4))
def test_only_what_was_signed_is_genuine(shared: Path, number: int):
    folder = shared / "fixtures/sendgrid/signature"
    known = json.loads((folder / "signed-batch.json").read_text())
    case = known["cases"][number]
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": case["signature"],
        "X-Twilio-Email-Event-Webhook-Timestamp": case["timestamp"],
    }
    now = datetime.fromtimestamp(int(case["timestamp"]), UTC)
    body = (folder / case["body_file"]).read_bytes()

    try:
        verify_reports(known["public_key_b64_der_spki"], headers, body, now)
        found = "valid"
    except WebhookNotGenuine:
        found = "invalid"

    assert found == case["expect"]
