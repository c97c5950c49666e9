"""A progress bar for a file on its way, on stderr, only where someone watches."""

from collections.abc import Callable


def bar(name: str) -> Callable[[int, int | None], None]:
    """What is told the bytes so far, and all where known, and shows them as a bar with this name."""
    from tqdm import tqdm

    shown = tqdm(desc=name, unit="B", unit_scale=True, disable=None, leave=True)

    def tell(done: int, total: int | None) -> None:
        shown.total = total
        shown.update(done - shown.n)
        if done == total:
            shown.close()

    return tell
