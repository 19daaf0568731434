"""How is `bursar` started, and what does it say where the agent's dependencies are missing?"""

from __future__ import annotations

import sys

CANNOT_START = 3


def main() -> None:
    """The `bursar` command."""
    try:
        from bursar.agent.cli import cli
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "bursar":
            raise
        sys.stderr.write(
            f'bursar: {error.name} is not installed. Install the agent with: pip install "bursar[agent]"\n'
        )
        sys.exit(CANNOT_START)
    cli()


if __name__ == "__main__":
    main()
