"""How often Python's garbage collector looks at what a process holds."""

import gc

OBJECTS_A_COLLECTION = 10_000  # new ones, before the collector looks at them


def spare_what_stays() -> None:
    """Have the collector never look again at what a long process has loaded by now, and come by
    once for a batch of rows, not ten times.

    Otherwise each of its full collections costs as much as a few thousand steps of journeys.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_A_COLLECTION)
