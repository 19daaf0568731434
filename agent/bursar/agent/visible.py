"""How does what others wrote stand in a terminal?"""

from __future__ import annotations

from typing import Final

_INSTEAD: Final = "\N{REPLACEMENT CHARACTER}"
_OURS: Final = "\n\t"
"""What a text may hold that breaks a line or leaves space in it."""
_CONTROLS: Final = (*range(0x20), *range(0x7F, 0xA0))
_DIRECTIONS: Final = (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SHOWN: Final = {place: _INSTEAD for place in (*_CONTROLS, *_DIRECTIONS) if chr(place) not in _OURS}


def visible(text: str) -> str:
    """
    With a mark for each character that would steer the terminal, or turn the order of what stands behind it.

    Routes, labels and what channels answered come from applications and their users: an escape sequence in a tenant's
    name must not change colours, titles or the cursor of whoever looks at its budget.
    """
    return text.translate(_SHOWN)
