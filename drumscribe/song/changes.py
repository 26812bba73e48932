"""What the reading changed: chosen by kind and drum, for those who list it or take it back."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from drumscribe.types import Change


def filtered(changes: Sequence[Change], kinds: Collection[str] = (), drums: Collection[str] = ()) -> list[Change]:
    """Changes of some kinds and drums (written or heard); an empty choice takes all."""
    return [
        change for change in changes
        if (not kinds or change.kind in kinds) and (not drums or {change.drum, change.heard} & set(drums))
    ]  # fmt: skip
