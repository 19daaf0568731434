"""What does the Models API say that each model accepts, where the agent may ask it?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from bursar.agent.settings import ModelsApi
from bursar.policies.capabilities import kept_of_models_api

ASK_SECONDS = 3_600
"""How often it is looked whether to ask: once a day, and again within the hour where it did not answer."""
DAY_SECONDS = 86_400
PATIENCE_SECONDS = 10.0
"""For all pages together."""
MOST_PAGES = 5
_PAGE = 1_000
_LIFECYCLES = ("active", "deprecated", "retired")
"""Retired models are listed only where they are asked for."""
_VERSION = "2023-06-01"

_log = logging.getLogger(__name__)


class Models:
    """
    Asks the Models API once a day, and tells what it said.

    What goes wrong is logged once, until it goes well again: what was said before, or is shipped, stays in force.
    """

    def __init__(
        self,
        api: ModelsApi,
        client: httpx.AsyncClient,
        *,
        tell: Callable[[str], object],
        clock: Callable[[], float],
    ) -> None:
        """`clock`: monotonic, in seconds."""
        self._api = api
        self._client = client
        self._tell = tell
        self._clock = clock
        self._host = urlsplit(api.base_url).hostname
        self._heard_at: float | None = None
        self._troubled = False

    async def ask(self) -> None:
        """Ask, where a day has passed since it answered. Never raises what the answer, or its lack, is to blame for."""
        if self._heard_at is not None and self._clock() - self._heard_at < DAY_SECONDS:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                said = kept_of_models_api(await self._pages())
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            if not self._troubled:
                _log.warning(
                    "the Models API at %s did not say what models accept (%s): what is shipped, or it said before, "
                    "is gone by; it is asked again every hour",
                    self._host,
                    _why(error),
                )
            self._troubled = True
            return
        self._heard_at, self._troubled = self._clock(), False
        self._tell(said)

    async def _pages(self) -> list[Any]:
        found: list[Any] = []
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            page = await self._page(after)
            data: Any = page.get("data")
            if not isinstance(data, list):
                raise ValueError("the answer lists no models")  # noqa: TRY004 - an answer, wrong in its content
            found += data  # pyright: ignore[reportUnknownArgumentType]
            if not page.get("has_more"):
                break
            after = {"after_id": str(page.get("last_id"))}
        return found

    async def _page(self, after: Mapping[str, str]) -> Mapping[str, Any]:
        answer = await self._client.get(
            f"{self._api.base_url}/v1/models",
            params={"limit": _PAGE, "lifecycle[]": _LIFECYCLES, **after},
            headers={"anthropic-version": _VERSION, **self._api.headers},
            timeout=PATIENCE_SECONDS,
        )
        answer.raise_for_status()
        page: Any = answer.json()
        if not isinstance(page, dict):
            raise ValueError("the answer is no page of models")  # noqa: TRY004 - an answer, wrong in its content
        return page  # pyright: ignore[reportUnknownVariableType]


def _why(error: Exception) -> str:
    """What went wrong, without the address: it may hold a secret."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answers {error.response.status_code}"
    return str(error) or type(error).__name__
