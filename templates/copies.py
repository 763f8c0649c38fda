"""Keeps what an email said in a few hundred bytes, so that it can be read in a browser for years.

All emails of one template are alike but for a few facts. So each is compressed against an outline:
the template as it was compiled, which names nobody and is kept once. An email can be unpacked with
the outline it was packed with only.
"""

import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

DIGEST_LENGTH = 16  # of an outline: its name
WINDOW = 32_768  # bytes of a dictionary that zlib looks at: the last ones
RAW = -zlib.MAX_WBITS  # no header, no checksum: the row says what it is


@dataclass(frozen=True)
class Outline:
    """What all emails of one content share, and its name."""

    digest: str
    text: bytes


@dataclass(frozen=True)
class PackedCopy:
    """One email, compressed against its outline."""

    outline: Outline
    body: bytes


@lru_cache(maxsize=500)
def outline_of(source: str) -> Outline:
    """Return the outline of a compiled template, as JSON writes it, for so a copy is written."""
    text = json.dumps(source, ensure_ascii=False).encode()[-WINDOW:]
    return Outline(sha256(text).hexdigest()[:DIGEST_LENGTH], text)


def pack_copy(subject: str, html: str, text: str, outline: Outline) -> PackedCopy:
    written = json.dumps([subject, text, html], ensure_ascii=False)
    packer = zlib.compressobj(wbits=RAW, zdict=outline.text)
    return PackedCopy(outline, packer.compress(written.encode()) + packer.flush())


def unpack_copy(body: bytes, outline: bytes) -> tuple[str, str, str]:
    """Return subject, HTML and text."""
    subject, text, html = json.loads(zlib.decompressobj(wbits=RAW, zdict=outline).decompress(body))
    return subject, html, text
