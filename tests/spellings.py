"""Ways in which one mailbox is written in the field, singly and combined."""

from collections.abc import Callable
from random import Random

LOCALS = ("ana", "ana.lee", "ana+shop", "o'neil", "a", "jean-luc_7")
DOMAINS = ("example.com", "mail.example.co.uk", "xn--bcher-kva.example", "xn--fa-hia.example")
INVISIBLE = ("\u200b", "\u00ad", "\u2060", "\ufeff", "\u200d", "\u180e", "\u034f", "\ufe0f")
SPACES = (" ", "\u00a0", "\t", "\u3000", "\u2009", "\r\n", "\u202f")
DOTS = (".", "。", "．", "｡")
WRONG_SCHEMES = (
    "//", "/", "///", "http://", "https://", "http:", "smtp:", "smtp://", "sip:", "email:",
    "email: ", "e-mail: ", "mail:", "mailto:%2F%2F", "mailto//", "mailto:smtp:", "mail to:",
)  # fmt: skip

Change = Callable[[str, Random], str]


def spelled(mailbox: str, chance: Random) -> str:
    """The mailbox as somebody may write it: each change happens or not, the inner ones first."""
    text = spelled_address(mailbox, chance)
    for change_whole in WHOLE:
        if chance.random() < 0.3:
            text = change_whole(text, chance)
    return text


def spelled_address(mailbox: str, chance: Random) -> str:
    """Its two parts in other spellings, and nothing around them."""
    local, _, domain = mailbox.rpartition("@")
    for change in PARTS:
        if chance.random() < 0.3:
            local, domain = change(local, domain, chance)
    return f"{local}@{domain}"


def misspelled(mailbox: str, chance: Random) -> str:
    """The mailbox behind something that leads to no mailbox, in any other spelling of its own."""
    begun = spelled_address(mailbox, chance)
    for change_whole in (_marked, _spaced):
        if chance.random() < 0.3:
            begun = change_whole(begun, chance)
    text = _any_case(chance.choice(WRONG_SCHEMES), chance) + begun
    return chance.choice((text, f"<{text}>", f"Ana Lee <{text}>", f'"{text}"', f" {text}\n"))


def mailboxes(count: int) -> list[str]:
    """So many mailboxes, all different, in canonical form."""
    return [
        f"{LOCALS[number % len(LOCALS)]}.{number}@{DOMAINS[number % len(DOMAINS)]}"
        for number in range(count)
    ]


def _any_case(text: str, chance: Random) -> str:
    return "".join(chance.choice((char.upper(), char.lower())) for char in text)


def _in_unicode(local: str, domain: str, _: Random) -> tuple[str, str]:
    labels = domain.split(".")
    plain = [
        label.removeprefix("xn--").encode().decode("punycode") if label[:4] == "xn--" else label
        for label in labels
    ]
    return local, ".".join(plain)


def _case(local: str, domain: str, chance: Random) -> tuple[str, str]:
    safe = domain if "ß" in domain else _any_case(domain, chance)  # the upper case of ß is ss
    return _any_case(local, chance), safe


def _decomposed(local: str, domain: str, _: Random) -> tuple[str, str]:
    from unicodedata import normalize

    return local, normalize("NFD", domain)


def _wide(local: str, domain: str, chance: Random) -> tuple[str, str]:
    return _widened(local, chance), _widened(domain, chance)


def _widened(text: str, chance: Random) -> str:
    return "".join(
        chr(ord(char) + 0xFEE0) if char.isascii() and char.isalnum() and chance.random() < 0.3
        else char
        for char in text
    )  # fmt: skip


def _dots(local: str, domain: str, chance: Random) -> tuple[str, str]:
    return local, "".join(chance.choice(DOTS) if char == "." else char for char in domain)


def _final_dot(local: str, domain: str, _: Random) -> tuple[str, str]:
    return local, f"{domain}."


def _quoted(local: str, domain: str, _: Random) -> tuple[str, str]:
    return f'"{local}"', domain


PARTS = (_in_unicode, _case, _decomposed, _wide, _dots, _final_dot, _quoted)


def _comment(text: str, chance: Random) -> str:
    comment = chance.choice(("(home)", "(a (nested) one)", r"(one \) inside)"))
    at = text.rfind("@")
    places = (f"{comment}{text}", f"{text} {comment}", f"{text[:at]}{comment}{text[at:]}")
    return chance.choice(places)


def _marked(text: str, chance: Random) -> str:
    for _ in range(chance.randint(1, 3)):
        place = chance.randint(0, len(text))
        text = text[:place] + chance.choice(INVISIBLE) + text[place:]
    return text


def _wide_at(text: str, chance: Random) -> str:
    return text.replace("@", chance.choice("＠﹫"))


def _scheme(text: str, chance: Random) -> str:
    return chance.choice(("mailto:", "MAILTO:", "mailto: ", "mailto://", "mailto: //")) + text


def _named(text: str, chance: Random) -> str:
    name = chance.choice(("Ana Lee", '"Lee, Ana"', "Lee, Ana", "", r'"Ana \"the\" <3"', "Äna"))
    return f"{name} <{text}>"


def _spaced(text: str, chance: Random) -> str:
    return chance.choice(SPACES) + text + chance.choice(SPACES)


WHOLE = (_comment, _marked, _wide_at, _scheme, _named, _spaced)
