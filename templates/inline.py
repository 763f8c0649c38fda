"""Puts CSS into style attributes once a template, so that no mail needs to be parsed for it.

The inliner works on a copy in which every element bears a number, and only the styles it found are
taken back. The author's HTML, Jinja tags and all, stays as it was written. Where a style could
depend on what is rendered, the template says so, and each mail is inlined by itself.
"""

from collections.abc import Sequence
from re import DOTALL
from re import compile as pattern

from css_inline import CSSInliner

from templates.markup import TOKEN, Protected, Tag, Words, edited, scan

MARK = "data-rekindle"
STYLE_ELEMENT = pattern(r"<style[^>]*>(.*?)</style>", DOTALL)
COMMENT = pattern(r"/\*.*?\*/", DOTALL)
AT_RULE = pattern(r"@[a-z-]+[^{};]*(?:;|\{(?:[^{}]*\{[^{}]*\})*[^{}]*\})")
RULE = pattern(r"([^{}]+)\{[^{}]*\}")
# what no style attribute can say: kept in the head, inside an at-rule that is always true
ONLY_IN_HEAD = pattern(r":(?:hover|focus|active|visited|link|before|after|placeholder|target)|::")
# what is true of an element only among the neighbours it will have once rendered
BY_NEIGHBOURS = pattern(r"[+~\[]|:(?:first|last|nth|only|empty|has|not|is|where|root)")
DESCENDANT = pattern(r"\S[\s>]+\S")
OPENS = ("if", "for", "filter", "call", "with")
TURNS = ("elif", "else")

INLINER = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def inline_styles(protected: Protected) -> bool:
    """Inline the CSS of a template; False where each mail must be inlined by itself instead."""
    css = "".join(one.text for one in _style_texts(protected.text))
    if not css.strip():
        return True
    if TOKEN.search(css):
        return False
    _keep_in_head(protected)
    selectors = [found[1].strip() for found in RULE.finditer(_without_at_rules(css))]
    if _depends_on_rendering(protected, selectors):
        return False
    return _inlined(protected)


def _inlined(protected: Protected) -> bool:
    tags = [one for one in scan(protected.text) if isinstance(one, Tag) and not one.is_end]
    document = INLINER.inline(_marked(protected.text, tags))
    styles = {
        int(mark.value): own.value if (own := tag.attribute("style")) else ""
        for tag in scan(document)
        if isinstance(tag, Tag) and (mark := tag.attribute(MARK))
    }
    if not all(_is_whole(tag, styles.get(number)) for number, tag in enumerate(tags)):
        return False
    edits = [
        _style_edit(tag, style) for number, tag in enumerate(tags) if (style := styles.get(number))
    ]
    kept = STYLE_ELEMENT.search(document)
    protected.text = _with_head_css(edited(protected.text, edits), kept[1] if kept else "")
    return True


def _style_texts(text: str) -> list[Words]:
    return [one for one in scan(text) if isinstance(one, Words) and one.within == "style"]


def _keep_in_head(protected: Protected) -> None:
    edits = [(one.start, one.end, _kept_apart(one.text)) for one in _style_texts(protected.text)]
    protected.text = edited(protected.text, edits)


def _kept_apart(css: str) -> str:
    """CSS whose rules for states and generated content stand in an at-rule, where they survive."""
    css = COMMENT.sub("", css)
    at_rules = AT_RULE.findall(css)
    rest = _without_at_rules(css)
    states = [found[0] for found in RULE.finditer(rest) if ONLY_IN_HEAD.search(found[1])]
    for rule in states:
        rest = rest.replace(rule, "")
    kept = [f"@media all {{{''.join(states)}}}"] if states else []
    return "\n".join([rest, *kept, *at_rules])


def _without_at_rules(css: str) -> str:
    return AT_RULE.sub("", COMMENT.sub("", css))


def _depends_on_rendering(protected: Protected, selectors: Sequence[str]) -> bool:
    plain = [one for one in selectors if not ONLY_IN_HEAD.search(one)]
    statements = [tag for tag in protected.tags if tag.kind == "statement"]
    return (
        any(BY_NEIGHBOURS.search(one) for one in plain)
        or any(tag.keyword in ("macro", "import", "from", "call") for tag in statements)
        or any("safe" in tag.words for tag in protected.tags)
        or _has_computed_selectors(protected.text)
        or (any(map(DESCENDANT.search, plain)) and not _is_balanced(protected))
    )


def _has_computed_selectors(text: str) -> bool:
    """True where a tag of Jinja stands among a tag's attributes, or in its class or id."""
    for tag in (one for one in scan(text) if isinstance(one, Tag)):
        bare = edited(tag.inside, [
            (one.start - tag.inside_start, one.end - tag.inside_start, "")
            for one in tag.attributes() if not TOKEN.search(one.name)
        ])  # fmt: skip
        computed = (one for one in tag.attributes() if one.name in ("class", "id"))
        if TOKEN.search(bare) or any(TOKEN.search(one.value) for one in computed):
            return True
    return False


def _is_balanced(protected: Protected) -> bool:
    """True where every branch and loop body closes the elements it opens."""
    depth = 0
    outer: list[int] = []
    for one in scan(protected.text):
        if isinstance(one, Tag):
            depth += 1 if one.is_open else -1 if one.is_end else 0
            continue
        for tag in protected.named(one.text):
            keyword = tag.keyword
            if keyword in TURNS and outer and depth != outer[-1]:
                return False
            is_end = keyword.startswith("end") and keyword[3:] in OPENS
            if is_end and outer and depth != outer.pop():
                return False
            if keyword in OPENS:
                outer.append(depth)
    return True


def _marked(text: str, tags: Sequence[Tag]) -> str:
    """A copy with numbered elements, and without Jinja's tags where they would be text."""
    at = ((tag.start + len(tag.name) + 1, number) for number, tag in enumerate(tags))
    marks = [(position, position, f' {MARK}="{number}"') for position, number in at]
    words = [
        (one.start, one.end, TOKEN.sub("", one.text))
        for one in scan(text)
        if isinstance(one, Words) and TOKEN.search(one.text)
    ]
    return edited(text, [*marks, *words])


def _is_whole(tag: Tag, style: str | None) -> bool:
    """True where the inliner kept the element, and every computed part of its own style."""
    if style is None:
        return tag.name in ("html", "head", "body", "meta", "title", "style", "link")
    own = tag.attribute("style")
    return own is None or all(token[0] in style for token in TOKEN.finditer(own.value))


def _style_edit(tag: Tag, style: str) -> tuple[int, int, str]:
    if own := tag.attribute("style"):
        return own.start, own.end, f'style="{style}"'
    at = tag.start + len(tag.name) + 1
    return at, at, f' style="{style}"'


def _with_head_css(text: str, css: str) -> str:
    """The head keeps only what cannot be inlined, in its first style element."""
    found = _style_texts(text)
    replacements = [css.strip(), *[""] * (len(found) - 1)]
    return edited(
        text, [(one.start, one.end, new) for one, new in zip(found, replacements, strict=True)]
    )
