"""Why events wait for an owner; `store.parking` says which does for what."""

from enum import StrEnum


class Waits(StrEnum):
    """Why an event has no customer, the gravest reason first: what a person can settle."""

    SHARED_ADDRESS = "shared_address"  # several customers have it
    UNKNOWN_ADDRESS = "unknown_address"  # no customer has it
    UNKNOWN_ID = "unknown_id"  # no customer has that id of a helpdesk or network
    ANONYMOUS = "anonymous"  # a visitor who never said who they are
    UNUSABLE_ADDRESS = "unusable_address"  # what was given is none
