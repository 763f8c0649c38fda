"""How many of something, in the words of a sentence."""


def counted(number: int, noun: str) -> str:
    """`1 mail`, `12,345 mails`; only for nouns that take an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
