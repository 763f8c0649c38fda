"""Basic credentials, as a header brings them (RFC 7617)."""

from base64 import b64decode

NOBODY = ("", "")


def read_basic(header: str) -> tuple[str, str]:
    """User and password, where there is no colon the user alone; both empty for anything else."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return NOBODY
    try:
        decoded = b64decode(credentials.strip(), validate=True).decode()
    except ValueError:  # no base64, no ASCII at all, or no UTF-8 within
        return NOBODY
    user, _, password = decoded.partition(":")
    return user, password
