"""The signed links of a mail: every address that comes back to us proves that we wrote it.

A token is readable and signed, not secret: `payload.signature`, with a salt for each purpose, so
that a token made for one address is worth nothing at another.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256

from itsdangerous import BadSignature
from itsdangerous import Signer as Seal
from itsdangerous.signer import SigningAlgorithm

from store.records import CustomerId, MessageId

SIGNATURE_BYTES = 16  # 128 bits of HMAC-SHA-256: a third shorter links, still beyond guessing
DECOY = 0  # the number of the link that people cannot see; real links count from 1


@dataclass(frozen=True)
class Click:
    """A link in one message: its number in an edition of the mail, or the address if computed.

    `store.editions` keeps the addresses of every edition that was sent.
    """

    message_id: MessageId
    number: int | None = None
    edition: str = ""
    address: str | None = None

    @property
    def is_decoy(self) -> bool:
        return self.number == DECOY


@dataclass(frozen=True)
class SurveyInvitation:
    """The right to answer one survey once (and revise it), as given with one message."""

    message_id: MessageId
    survey: str


@dataclass(frozen=True)
class Unsubscription:
    """The right to change one customer's preferences; names the topic that the mail was about."""

    message_id: MessageId
    customer_id: CustomerId
    topic: str


@dataclass(frozen=True)
class SignIn:
    """A one-time way into the dashboard; the shell remembers the nonces that were used."""

    nonce: str
    expires_at: datetime


class Signer:
    """Signs and reads tokens. Readers return None for anything that we did not sign.

    `secrets` are one or more keys, newest first: the first signs, all are read.
    """

    def __init__(self, secrets: str | Sequence[str]) -> None:
        keys = [secrets] if isinstance(secrets, str) else list(secrets)
        # a link to sign in is made anew at every start: there an older key, which may be known to
        # others, opens nothing
        read = dict.fromkeys(PURPOSES, keys) | {"sign_in": keys[:1]}
        self._seals = {purpose: _seal(keys, purpose) for purpose, keys in read.items()}
        self._macs = {purpose: _Mac(_key(keys[0], purpose)) for purpose in PURPOSES}

    def sign_click(self, message_id: int, link: int | str, edition: str = "") -> str:
        """`link` is a number in the mail's `edition`, or an address that was computed."""
        if isinstance(link, int):
            return self._sign("click", f"{message_id}.{edition}.{link}")
        return self._sign("address", f"{message_id}.{_packed(link)}")

    def read_click(self, token: str) -> Click | None:
        if payload := self._read("click", token):
            message_id, edition, number = payload.split(".")
            return Click(MessageId(int(message_id)), number=int(number), edition=edition)
        if payload := self._read("address", token):
            message_id, packed = payload.split(".")
            return Click(MessageId(int(message_id)), address=_unpacked(packed))
        return None

    def sign_survey(self, message_id: int, survey: str) -> str:
        """The score stands beside the token (`?score=4`): whoever may answer may choose."""
        return self._sign("survey", f"{message_id}.{_packed(survey)}")

    def read_survey(self, token: str) -> SurveyInvitation | None:
        if not (payload := self._read("survey", token)):
            return None
        message_id, packed = payload.split(".")
        return SurveyInvitation(MessageId(int(message_id)), _unpacked(packed))

    def sign_page(self, message_id: int, made_at: datetime) -> str:
        """When a page with a form was made, to the millisecond; the form sends it back."""
        return self._sign("page", f"{message_id}.{int(made_at.timestamp() * 1000)}")

    def read_page(self, token: str, message_id: int) -> datetime | None:
        """Return when we made the page; None unless it was made for this message."""
        if not (payload := self._read("page", token)):
            return None
        owner, milliseconds = payload.split(".")
        is_its_own = int(owner) == message_id
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if is_its_own else None

    def sign_unsubscribe(self, message_id: int, customer_id: int, topic: str) -> str:
        return self._sign("unsubscribe", f"{message_id}.{customer_id}.{_packed(topic)}")

    def read_unsubscribe(self, token: str) -> Unsubscription | None:
        if not (payload := self._read("unsubscribe", token)):
            return None
        message_id, customer_id, packed = payload.split(".")
        return Unsubscription(
            MessageId(int(message_id)), CustomerId(int(customer_id)), _unpacked(packed)
        )

    def sign_open(self, message_id: int) -> str:
        return self._sign("open", str(message_id))

    def read_open(self, token: str) -> MessageId | None:
        payload = self._read("open", token)
        return MessageId(int(payload)) if payload else None

    def sign_view(self, message_id: int) -> str:
        """To read the mail in a browser."""
        return self._sign("view", str(message_id))

    def read_view(self, token: str) -> MessageId | None:
        payload = self._read("view", token)
        return MessageId(int(payload)) if payload else None

    def sign_in(self, nonce: str, expires_at: datetime) -> str:
        return self._sign("sign_in", f"{int(expires_at.timestamp())}.{_packed(nonce)}")

    def read_sign_in(self, token: str, now: datetime) -> SignIn | None:
        """None also once it has expired."""
        if not (payload := self._read("sign_in", token)):
            return None
        seconds, packed = payload.split(".")
        expires_at = datetime.fromtimestamp(int(seconds), UTC)
        return SignIn(_unpacked(packed), expires_at) if now < expires_at else None

    def fingerprint(self, text: str) -> str:
        """A digest that tells whether a secret is still the same; nobody else can try guesses."""
        return self._sign("fingerprint", sha256(text.encode()).hexdigest()).rpartition(".")[2]

    def _sign(self, purpose: str, payload: str) -> str:
        # what itsdangerous would write, without its detours twenty times a mail
        return self._macs[purpose].signed(payload)

    def _read(self, purpose: str, token: str) -> str | None:
        """Return what was signed, for the one spelling in which we write it."""
        try:
            payload = self._seals[purpose].unsign(token).decode("ascii")
        except (BadSignature, UnicodeError):
            return None
        return payload if _is_strict(token.rpartition(".")[2]) else None


PURPOSES = (
    "click", "address", "survey", "page", "unsubscribe", "open", "view", "sign_in", "fingerprint",
)  # fmt: skip


@dataclass(frozen=True)
class MailLinks:
    """Every address of ours in one message."""

    signer: Signer
    base_url: str  # without a slash at its end
    message_id: int
    customer_id: int
    topic: str

    def click_url(self, link: int | str, edition: str = "") -> str:
        return f"{self.base_url}/c/{self.signer.sign_click(self.message_id, link, edition)}"

    def click_urls(self, count: int, edition: str) -> list[str]:
        """The addresses of links 1 to `count`."""
        begin = f"{self.base_url}/c/"
        sign, id_ = self.signer.sign_click, self.message_id
        return [begin + sign(id_, number, edition) for number in range(1, count + 1)]

    def survey_url(self, survey: str) -> str:
        """The survey's page; `?score=N` chooses a score on it."""
        return f"{self.base_url}/s/{self.signer.sign_survey(self.message_id, survey)}"

    @cached_property
    def unsubscribe_url(self) -> str:
        token = self.signer.sign_unsubscribe(self.message_id, self.customer_id, self.topic)
        return f"{self.base_url}/u/{token}"

    @cached_property
    def own_prefixes(self) -> tuple[str, ...]:
        """How our own addresses begin; a mail links to them as they are."""
        return tuple(f"{self.base_url}/{kind}/" for kind in "cosum")

    @property
    def open_url(self) -> str:
        return f"{self.base_url}/o/{self.signer.sign_open(self.message_id)}"

    @property
    def view_url(self) -> str:
        return f"{self.base_url}/m/{self.signer.sign_view(self.message_id)}"


class _ShortHmac(SigningAlgorithm):
    """HMAC-SHA-256 in one call of the C library, cut to SIGNATURE_BYTES."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")[:SIGNATURE_BYTES]


class _Mac:
    """The same for one key, whose two padded forms (RFC 2104 §2) are hashed only once."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def signed(self, payload: str) -> str:
        """The token for an ASCII payload."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(payload.encode("ascii"))
        outer.update(inner.digest())
        return f"{payload}.{_code(outer.digest()[:SIGNATURE_BYTES])}"


def _seal(secrets: Sequence[str], purpose: str) -> Seal:
    keys = [_key(secret, purpose) for secret in reversed(secrets)]
    return Seal(keys, key_derivation="none", algorithm=_ShortHmac())


def _key(secret: str, purpose: str) -> bytes:
    """One key for each purpose, derived here once and not again for each of a mail's links."""
    return sha256(f"rekindle.{purpose}|{secret}".encode()).digest()


def _packed(text: str) -> str:
    return _code(text.encode())


def _code(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _is_strict(code: str) -> bool:
    """Whether base64 is written as we do: others read it with padding, foreign letters and any last
    bits too.
    """
    try:
        return _code(urlsafe_b64decode(code + "=" * (-len(code) % 4))) == code
    except (NotBase64, ValueError):
        return False


def _unpacked(packed: str) -> str:
    try:
        return urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
    except (NotBase64, UnicodeError):
        return ""
