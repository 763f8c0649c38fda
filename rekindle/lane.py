"""The lanes of work: each has a queue and threads of its own."""

from enum import StrEnum


class Lane(StrEnum):
    """What a worker may be busy with.

    Each has a queue and threads of its own, so that whatever is slow in one holds up no other.
    """

    JOURNEYS = "journeys"  # evaluating and advancing: the database alone
    EMAILS = "emails"
    WEBHOOKS = "webhooks"
    NOTICES = "notices"
