"""Request bodies, with a bound on what they may hold before and after unpacking."""

import zlib

from starlette.requests import ClientDisconnect, Request

from rekindle.errors import Malformed

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31  # zlib's way to say: with a gzip header


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The whole body as sent. Raises Malformed if it is larger, or if the sender went away."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most_bytes:
                raise Malformed(f"the body is larger than {most_bytes} bytes.")
    except ClientDisconnect as error:
        raise Malformed("the body ended early.") from error
    return bytes(body)


def unpack(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """`body` without its content encoding; told by its content, because labels are often wrong.

    Raises Malformed if it cannot be unpacked or would grow beyond `most_bytes`.
    """
    if not body.startswith(GZIP_MAGIC):
        if encoding in ("", "identity", "gzip"):
            return body
        raise Malformed(f"bodies come plain or with gzip, not with {encoding[:40]!r}.")
    gzip = zlib.decompressobj(GZIP_WINDOW)
    try:
        unpacked = gzip.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise Malformed("the body is not gzip as it says.") from error
    if len(unpacked) > most_bytes:
        raise Malformed(f"the unpacked body is larger than {most_bytes} bytes.")
    if not gzip.eof:
        raise Malformed("the gzip body ends early.")
    return unpacked
