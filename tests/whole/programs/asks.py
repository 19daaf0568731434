"""One call, and a word on who made it: as a script, a module, or a console script's `main`."""

from __future__ import annotations

import sys

import anthropic


def main() -> int:
    """The entry point."""
    anthropic.Anthropic().messages.create(
        model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": "Who asks?"}]
    )
    sys.stdout.write(f"{sys.argv[-1]} asked\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
