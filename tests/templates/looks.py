"""How Chromium would show a mail: the computed style of every element, on several screens."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

WIDTHS = (360, 600)
SCHEMES = ("light", "dark")
# transitions would be seen half-way
STYLES = """([pages, widths]) => pages.flatMap(page => widths.map(width => {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px";
  document.body.append(frame);
  const inside = frame.contentDocument;
  inside.write(page);
  inside.close();
  inside.head.append(Object.assign(inside.createElement("style"), {
    textContent: "* { transition: none !important }",
  }));
  const styles = [...inside.querySelectorAll("html, body, body *")].map(element => {
    const style = frame.contentWindow.getComputedStyle(element);
    const values = [...style].map(name => style.getPropertyValue(name));
    return [element.tagName + "." + element.className, values.join(";")];
  });
  frame.remove();
  return styles;
}))"""
NAMES = "() => [...getComputedStyle(document.body)]"

Look = list[tuple[str, str]]


def differences(
    browser: Any,
    pairs: Sequence[tuple[str, str]],
    widths: Sequence[int] = WIDTHS,
    schemes: Sequence[str] = SCHEMES,
) -> Iterator[str]:
    """Every element that looks otherwise in the second page of a pair than in the first."""
    page = browser.new_page()
    page.route("**/*", lambda route: route.abort())
    page.set_content("<body></body>")
    names = page.evaluate(NAMES)
    screens = [f"{width} px" for _pair in pairs for width in widths]
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        before, after = (
            page.evaluate(STYLES, [list(pages), list(widths)]) for pages in zip(*pairs, strict=True)
        )
        for number, (screen, wanted, now) in enumerate(zip(screens, before, after, strict=True)):
            html = pairs[number // len(widths)][0]
            yield from _differing(names, f"{html} {screen} {scheme}", wanted, now)
    page.close()


def _differing(names: Sequence[str], where: str, wanted: Look, now: Look) -> Iterator[str]:
    for (element, style), (_same, style_now) in zip(wanted, now, strict=True):
        if style != style_now:
            values = zip(names, style.split(";"), style_now.split(";"), strict=False)
            changes = [f"{name}: {was} -> {is_}" for name, was, is_ in values if was != is_]
            yield f"{where} {element} {', '.join(changes[:5])}"


SELECTORS = (
    ".a", ".b", "#i", "p", "div", "div .a", "div > .b", "*", ".a.b", "p.a", "#i .a", ":not(.a)",
    "[title]", "p:first-child", ".a:hover", ".zz .a", "u + .b", "p + p", ".a, #i", ".b, .zz",
    "body .b", ".a::before", "p:not(.b, #i)",
)  # fmt: skip
DECLARATIONS = (
    "color: red", "color: blue", "color: green", "margin: 1px", "margin-top: 2px", "margin: 3px",
    "border: 1px solid red", "border-top-color: blue", "border-width: 3px", "padding-left: 6px",
    "border-left: 2px dotted #333", "font-size: 10px", "padding: 5px", "background: #fff",
    "background-color: #eee", "font: 12px/2 serif", "line-height: 3", "width: 5px", "width: 50%",
)  # fmt: skip
BODIES = (
    '<div class="a"{}><p class="b"{}>x</p><p class="a b" id="i"{}>y</p></div>',
    '<p class="a"{}>1</p><div id="i" class="b"{}><p{} title="q">2</p><p class="b"{}>3</p></div>',
)


def some_page(random: Random, *, on_phones: bool) -> str:
    """A page whose rules and style attributes are at odds; half of its sheets shout."""
    words = ("", "", "", " !important")
    shouting = random.choice((words, ("",)))

    def rule() -> str:
        declarations = random.sample(DECLARATIONS, random.randint(1, 3))
        body = "; ".join(f"{declaration}{random.choice(shouting)}" for declaration in declarations)
        return f"{random.choice(SELECTORS)} {{ {body} }}"

    rules = [rule() for _ in range(random.randint(1, 6))]
    for _ in range(random.randint(1, 2) if on_phones else 0):
        loud = random.choice(("", " !important"))
        inside = " ".join(
            f"{random.choice(SELECTORS)} {{ {random.choice(DECLARATIONS)}{loud} }}"
            for _ in range(random.randint(1, 3))
        )
        rules.insert(random.randrange(len(rules) + 1), f"@media (max-width: 480px) {{ {inside} }}")
    body = random.choice(BODIES)
    while "{}" in body:
        style = f' style="{random.choice(DECLARATIONS)}"' if random.random() < 0.3 else ""
        body = body.replace("{}", style, 1)
    head = "\n".join(rules)
    return f"<!doctype html><html><head><style>{head}</style></head><body>{body}</body></html>"
