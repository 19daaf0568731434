"""How is the sandbox run until somebody stops it?"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from bursar.agent.sandbox import Refresh, create_app, serving

KEY = "sandbox"
_STOPS = (signal.SIGINT, signal.SIGTERM)


def rehearse(
    port: int,
    say: Callable[[str], None],
    *,
    batch_delay_s: float = 0,
    state: Path | None = None,
    refresh: Refresh = Refresh.ALL,
) -> None:
    """
    Serve the sandbox until SIGINT or SIGTERM; `say` is given the two lines that a shell needs to use it.

    Raises OSError, whose `strerror` says what to do, where the port or the file of its state is taken.
    """
    # Blocked before the server's thread begins, which inherits this, so that the signal waits for sigwait.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        with serving(create_app(batch_delay_s=batch_delay_s, state=state, refresh=refresh), port) as url:
            say(f"export ANTHROPIC_BASE_URL={url}\nexport ANTHROPIC_API_KEY={KEY}")
            signal.sigwait(_STOPS)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
