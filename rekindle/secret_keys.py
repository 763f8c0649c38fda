"""The secret keys that sign links: where they are kept, and which of them are read at the moment.

The newest key signs. Keys that it replaced are fallbacks: what they signed is read until a date.
They come from the environment (`REKINDLE_SECRET_KEY` and `REKINDLE_SECRET_KEY_FALLBACKS`), or else
from two files of the state folder, made on first use. A line of fallbacks is `DATE:KEY`, and the
key is read until that date begins in UTC.
"""

import fcntl
import os
import re
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from rekindle.clock import seconds_running, wall_now
from rekindle.disks import explain, refusal_of, writing
from rekindle.errors import CannotWrite, NotFound, WrongUse
from rekindle.logs import get_logger
from rekindle.private_files import write_new, write_whole
from rekindle.state import SECRET_KEY, SECRET_KEY_FILE
from templates.links import Signer

log = get_logger()

VARIABLE, FILE_NAME = SECRET_KEY, SECRET_KEY_FILE
FALLBACKS_VARIABLE = "REKINDLE_SECRET_KEY_FALLBACKS"
FALLBACKS_NAME = "secret.key.fallbacks"
# as long as what HMAC-SHA-256 puts out: RFC 2104 section 3 discourages shorter ones
SHORTEST_KEY_BYTES = 32
# Laws ask for 30 days after an email (CAN-SPAM, 15 U.S.C. 7704(a)(3)(A)(ii)) or 60 (CASL, section
# 11(2)). People unsubscribe by the email that they find, and report as spam what they cannot
# leave: so the links of an email work for as long as anybody may reasonably find it.
KEEP_FALLBACKS = timedelta(days=2 * 365)
NAME_LETTERS = 8  # of a digest: enough for keys of one's own, and nothing to guess a key by
LOOK_SECONDS = 1.0  # how soon a running process uses keys that were changed
ITEM = re.compile(r"(?:^|\s)(\d{4}-\d{2}-\d{2}):")


@dataclass(frozen=True)
class Fallback:
    """A key that was replaced: what it signed is read until that date begins in UTC."""

    key: str
    until: date

    @property
    def name(self) -> str:
        """What to call it by: it says nothing of the key."""
        return sha256(self.key.encode()).hexdigest()[:NAME_LETTERS]

    def __str__(self) -> str:
        return f"{self.until.isoformat()}:{self.key}"


@dataclass(frozen=True)
class SecretKeys:
    """The key that signs, and those that it replaced, newest first."""

    newest: str
    fallbacks: tuple[Fallback, ...] = ()

    def read_at(self, now: datetime) -> list[str]:
        """Return the keys whose signatures are good at `now`, newest first."""
        today = now.astimezone(UTC).date()
        return [self.newest, *(kept.key for kept in self.fallbacks if today < kept.until)]

    def rotated(self, newest: str, until: date, now: datetime) -> "SecretKeys":
        """Return the keys after `newest` has taken over, without those that nobody reads."""
        today = now.astimezone(UTC).date()
        known = (Fallback(self.newest, until), *self.fallbacks)
        return SecretKeys(newest, tuple(kept for kept in known if today < kept.until))

    def without(self, names: Collection[str], now: datetime) -> "SecretKeys":
        """Return the keys without those fallbacks, and without those that nobody reads at `now`.

        Raises NotFound if one of the names is none.
        """
        today = now.astimezone(UTC).date()
        read = {kept.name: kept for kept in self.fallbacks if today < kept.until}
        if unknown := sorted(set(names) - read.keys()):
            known = ", ".join(read) or "none"
            raise NotFound(
                f"no old key {unknown[0]!r} is read; those that are: {known}. The key that signs "
                "is given up by 'rekindle keys rotate-secret --until now'."
            )
        return SecretKeys(self.newest, tuple(k for n, k in read.items() if n not in names))


class KeyRing:
    """The signer of this process, renewed while it runs as the files change or a key runs out."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        now: Callable[[], datetime] = wall_now,
    ) -> None:
        self._folder, self._environment, self._now = folder, environment, now
        self._lock = threading.Lock()
        self._looked = seconds_running()
        self._keys = load_secret_keys(folder, environment)
        self._read = self._keys.read_at(now())
        self._signer = Signer(self._read)

    def signer(self) -> Signer:
        """Return what signs and reads at the moment."""
        if seconds_running() - self._looked < LOOK_SECONDS:
            return self._signer
        with self._lock:
            self._looked = seconds_running()
            self._look_again()
            read = self._keys.read_at(self._now())
            if read != self._read:
                self._signer, self._read = Signer(read), read
            return self._signer

    def _look_again(self) -> None:
        """Go on with what was read before while the files are away or make no sense."""
        if VARIABLE in self._environment or not (self._folder / FILE_NAME).exists():
            return
        try:
            self._keys = load_secret_keys(self._folder, self._environment)
        except WrongUse as error:
            log.error("secret_keys.unusable", reason=str(error))


def load_secret_keys(folder: Path, environment: Mapping[str, str]) -> SecretKeys:
    """Return the keys of the environment, or else of the files in `folder`, making a first one.

    Raises WrongUse for a key that is empty or too short, and for files that cannot be used.
    """
    if VARIABLE in environment:
        newest = environment[VARIABLE]  # as it is, spaces and all: so it signed what is out
        _checked(newest, VARIABLE)
        written, place = environment.get(FALLBACKS_VARIABLE, ""), FALLBACKS_VARIABLE
    else:
        newest, file = _read_or_make(folder / FILE_NAME), folder / FALLBACKS_NAME
        written, place = _read(file) or "", str(file)
    return SecretKeys(newest, tuple(_parse_fallbacks(written, place)))


def rotate_file(folder: Path, until: date, now: datetime) -> SecretKeys:
    """Put a new key in place of the one in `folder`, which is read until `until` begins.

    A process that dies in between leaves the old key in both files, which harms nobody. Raises
    WrongUse.
    """
    file = folder / FILE_NAME
    if file.is_symlink():
        raise WrongUse(f"{file} is a symbolic link: change the key where it points to.")
    with _alone_in(folder):
        rotated = load_secret_keys(folder, {}).rotated(new_key(), until, now)
        _write_fallbacks(folder, rotated)
        with writing(file):
            write_whole(file, rotated.newest.encode())
    return rotated


def drop_from_file(folder: Path, names: Collection[str], now: datetime) -> SecretKeys:
    """Forget old keys of `folder` before their date. Raises NotFound for a name that is none."""
    with _alone_in(folder):
        left = load_secret_keys(folder, {}).without(names, now)
        _write_fallbacks(folder, left)
    return left


def _write_fallbacks(folder: Path, keys: SecretKeys) -> None:
    file = folder / FALLBACKS_NAME
    with writing(file):
        write_whole(file, "".join(f"{kept}\n" for kept in keys.fallbacks).encode())


def new_key() -> str:
    """Return a key nobody can guess: 32 bytes by chance, as text."""
    return secrets.token_urlsafe(SHORTEST_KEY_BYTES)


def _read_or_make(file: Path) -> str:
    written = _read(file)
    if written is None:
        if file.is_symlink():
            raise WrongUse(f"{file} is a symbolic link to {file.readlink()}, which is not there.")
        try:
            write_new(file, new_key().encode())
        except OSError as error:
            raise CannotWrite(f"{refusal_of(file, error)} Or set {VARIABLE}.") from error
        written = _read(file)
    return _checked(written or "", str(file))


def _read(file: Path) -> str | None:
    """Return None where there is no such file. Raises WrongUse where it cannot be read."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        said = explain(error) if isinstance(error, OSError) else "it is no text."
        raise WrongUse(f"{file} cannot be read: {said}") from error


def _parse_fallbacks(written: str, place: str) -> Iterator[Fallback]:
    """Read `DATE:KEY` again and again: an item begins where a date does, as keys may hold spaces.

    Raises WrongUse naming `place`, and never a key.
    """
    begin, *items = ITEM.split(written)
    if begin.strip():
        raise WrongUse(f"{place} must hold items of the form DATE:KEY, such as 2030-01-31:….")
    for day, key in zip(items[::2], items[1::2], strict=True):
        try:
            until = date.fromisoformat(day)
        except ValueError as error:
            raise WrongUse(f"{place}: there is no date {day}.") from error
        yield Fallback(_checked(key, place), until)


def _checked(key: str, place: str) -> str:
    key = key.strip()
    if (length := len(key.encode())) < SHORTEST_KEY_BYTES:
        found = f"a key of {length} bytes" if length else "an empty key"
        raise WrongUse(
            f"{place} holds {found}, and links need one of {SHORTEST_KEY_BYTES} or more. Take it "
            "from your backup, or a new one from 'openssl rand -base64 32'; links that were signed "
            "with another key then work no more."
        )
    return key


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the only right to change keys in `folder`; the kernel takes it back from the dead."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_variables(keys: SecretKeys) -> Iterable[str]:
    """Return the lines of an environment file that hold these keys."""
    yield f"{VARIABLE}={keys.newest}"
    yield f'{FALLBACKS_VARIABLE}="{" ".join(map(str, keys.fallbacks))}"'
