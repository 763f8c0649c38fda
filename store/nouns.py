"""The nouns of which everything stored can be exported; `store.exports` knows how."""

NOUNS = (
    "events", "customers", "identities", "messages", "delivery_events", "answers", "decisions",
    "enrollments", "memberships", "suppressions", "mailbox_consents", "consents", "rejects",
)  # fmt: skip
