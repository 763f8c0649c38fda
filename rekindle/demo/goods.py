"""What the generated shop sells, and what its customers trouble it with."""

from random import Random
from typing import Any, NamedTuple


class Good(NamedTuple):
    sku: str
    name: str
    price: float


GOODS = (
    Good("espresso", "Espresso beans, 500 g", 14.5),
    Good("filter", "Filter beans, 500 g", 13.0),
    Good("decaf", "Decaf beans, 500 g", 15.0),
    Good("sampler", "Sampler of five origins", 32.0),
    Good("grinder", "Hand grinder", 68.0),
    Good("dripper", "Ceramic dripper", 24.0),
    Good("papers", "Paper filters, 100", 6.5),
    Good("mug", "Stoneware mug", 18.0),
)
POPULAR = (30, 28, 8, 10, 2, 4, 14, 4)
TROUBLES = (
    "late parcel",
    "wrong grind",
    "broken dripper",
    "missing item",
    "double charge",
    "stale beans",
)


def fill_basket(chance: Random) -> dict[str, Any]:
    """The properties of one order: `products`, their number and their `total`."""
    chosen = chance.choices(GOODS, POPULAR, k=chance.choice((1, 1, 1, 2, 2, 3)))
    return {
        "total": round(sum(good.price for good in chosen), 2),
        "products": [good.sku for good in chosen],
    }


def look_at(chance: Random) -> dict[str, Any]:
    """The properties of one visit to a page."""
    good = chance.choices(GOODS, POPULAR)[0]
    return {"path": f"/goods/{good.sku}", "product": good.sku}
