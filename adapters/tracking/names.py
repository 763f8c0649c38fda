"""Names of events as we store them: lower case, `noun.past_participle`."""

import re
from functools import lru_cache

# Words end at anything that is neither letter nor digit, and where case says so: `orderCompleted`,
# `URLViewed`. Underscores count as punctuation.
CASE_EDGE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
PUNCTUATION = re.compile(r"[\W_]+")

# names the design fixes, where the rule would give others
FIXED = {"live_chat_conversation.ended": "chat.ended"}  # Segment's Live Chat spec


@lru_cache(maxsize=4096)
def canonical_name(original: str) -> str:
    """`Order Completed` as `order.completed`; one word stays; the empty text if there is no word.

    The last word is the verb, those before it are joined by `_`: `checkout_step.viewed`.
    """
    words = [word.lower() for word in PUNCTUATION.split(CASE_EDGE.sub(" ", original)) if word]
    name = ".".join(filter(None, ("_".join(words[:-1]), *words[-1:])))
    return FIXED.get(name, name)
