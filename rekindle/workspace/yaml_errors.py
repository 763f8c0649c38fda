"""What the YAML parser complains about, in words for people who do not know YAML's grammar."""

import re

# libyaml's words (and the pure Python parser's) -> ours, and what to do about it
WORDS = (
    (r"tab character that violates indentation", "a tab is used for indentation.", "Use spaces."),
    (r"mapping values are not allowed", "a ':' is not possible here.",
     "Check the indentation of this line, or put the text in quotes."),
    (r"block sequence entries are not allowed", "a list cannot begin here.",
     "Begin it on the next line, indented."),
    (r"undefined alias", "this alias refers to no anchor.",
     "A text that begins with * must stand in quotes."),
    (r"second occurrence|duplicate anchor", "this anchor has been used before.", ""),
    (r"another document", "a second document begins here.", "Remove the '---'."),
    (r"did not find expected '-' indicator|expected <block end>, but found '\?'",
     "this line does not continue the list above it.", "Check its indentation."),
    (r"unknown escape character", "this backslash means nothing here.",
     "Double it, or use single quotes."),
    (r"unknown directive|expected alphabetic or numeric|<document start>",
     "this line does not fit the lines above it.", "Check its indentation."),
    (r"comment or line break", "nothing may follow '|' or '>' on their line.", ""),
    (r"could not find expected ':'", "a ':' is missing after this key.", ""),
)  # fmt: skip
CANNOT_BEGIN = re.compile(r"cannot start any token")
UNFINISHED = re.compile(r"unexpected end of stream")
IN_BRACKETS = re.compile(r"expected ',' or '([\]}])'")
ENDED = re.compile(r"expected key|expected node content|<block end>")


def explain_yaml_error(said: str, source: str, began: int | None) -> tuple[str, str]:
    """What is wrong and what to do, for the parser's message about a line of `source`.

    `began` is the line where the unfinished thing begins, if there is one.
    """
    if CANNOT_BEGIN.search(said):
        return _explain_first_character(source)
    if UNFINISHED.search(said):
        return f"a quotation mark is opened on line {began} and never closed.", ""
    if bracket := IN_BRACKETS.search(said):
        opened = {"]": "[", "}": "{"}[bracket[1]]
        return (
            f"the {opened!r} opened on line {began} misses a ',' or {bracket[1]!r} before here.",
            "",
        )
    if ENDED.search(said):
        return "this line does not fit the lines above it.", "Check its indentation and its quotes."
    for pattern, words, hint in WORDS:
        if re.search(pattern, said):
            return words, hint
    return "this is not YAML that can be read.", ""


def _explain_first_character(source: str) -> tuple[str, str]:
    if source.startswith("\t") or re.match(r" *\t", source):
        return "a tab is used for indentation.", "Use spaces."
    return "a text cannot begin with this character.", "Put the text in quotes."
