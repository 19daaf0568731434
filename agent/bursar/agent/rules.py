"""Which rules are in force: the policy, the prices, and where its channels post to?"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from bursar.agent.credentials import Credential, credentials
from bursar.agent.forward.headers import HeadersError, parse_headers
from bursar.agent.settings import Settings
from bursar.policies.book import PriceBook, PriceBookError
from bursar.policies.overrides import Override, to_text, with_overrides
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.pricefile import parse_book, shipped_book
from bursar.policies.protocol import Snapshot

_log = logging.getLogger(__name__)


class RulesError(Exception):
    """Rules that cannot be put in force; the text says which file, what is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that the files say, understood: built whole, and swapped whole."""

    policy: Policy | None
    prices: PriceBook
    snapshot: Snapshot
    """The files' own texts, for the guards."""
    addresses: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """By channel name, the secret address that the environment holds for it."""
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]], repr=False)
    """By name of a forward, the secret headers that the environment holds for it."""
    credentials: tuple[Credential, ...] = field(default=(), repr=False)
    """Those that batches are submitted with."""


class Reload(StrEnum):
    """What became of a reload."""

    UNCHANGED = "unchanged"
    SWAPPED = "swapped"
    KEPT = "kept"
    """The files have mistakes: the rules before stay in force."""


def read_rules(settings: Settings) -> Rules:
    """The rules as the files and the environment say now. Raises `RulesError`."""
    policy_text, prices_text = _text(settings.policy, "policy"), _text(settings.prices, "price")
    try:
        prices = shipped_book()
        if prices_text is not None:
            prices = prices.extended(parse_book(prices_text, source=str(settings.prices)))
        policy = None if policy_text is None else _policy(policy_text, str(settings.policy), prices)
    except (PolicyError, PriceBookError) as error:
        raise RulesError(str(error)) from error
    return Rules(
        policy=policy,
        prices=prices,
        snapshot=_snapshot(policy_text, prices_text, str(settings.policy or "")),
        addresses=_addresses(policy, settings.secrets),
        headers=_headers(policy, settings.secrets),
    )


class RulesInForce:
    """
    The one place that says which rules hold now: the files', and what overrides make of them for a while.

    `reload` does all that can fail before it swaps.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[Settings], Rules] = read_rules,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings
        self._read = read
        self._clock_ns = clock_ns
        self._changing = threading.RLock()
        self._seen = _stamps(settings)
        self._overrides: tuple[Override, ...] = ()
        self._models: str | None = None
        self._licences = "[]"
        self._salt = ""
        self._fingerprint_key = ""
        self._markings: str | None = None
        self.filed = read(settings)
        """What the files say."""
        self.current = self.filed

    def reload(self, *, asked: bool = False) -> Reload:
        """
        Read the files again where they have changed since they were last read, or in any case when `asked`.

        What is wrong with them is logged once for each change. Overrides whose time is over go in the same step.
        """
        with self._changing:
            before = self.current
            stamps = _stamps(self._settings)
            if stamps != self._seen or asked:
                self._seen = stamps
                try:
                    self.filed = self._read(self._settings)
                except RulesError as error:
                    _log.warning("the rules before stay in force, since the new ones cannot be used: %s", error)
                    return Reload.KEPT
            self._combine()
            if self.current == before:
                return Reload.UNCHANGED
        _log.info("new rules are in force, from %s", self.current.snapshot.file or "no policy file")
        return Reload.SWAPPED

    def override(self, overrides: Iterable[Override]) -> None:
        """Put these overrides in force, each for as long as it says, in place of those before."""
        with self._changing:
            self._overrides = tuple(overrides)
            self._combine()

    def hear_of_models(self, models: str) -> None:
        """Put in force what the Models API says that models accept."""
        with self._changing:
            self._models = models
            self._combine()

    def hear_of_licences(self, licences: str) -> None:
        """Put in force what evals said of models on routes."""
        with self._changing:
            self._licences = licences
            self._combine()

    def put_off(self, salt: str) -> None:
        """Tell from here on with which credentials calls are put off, named under the ledger's salt."""
        with self._changing:
            self._salt = salt
            self._combine()

    def fingerprint(self, key: str) -> None:
        """Ask every process from here on for fingerprints of its prompts, hashed under this key."""
        with self._changing:
            self._fingerprint_key = key
            self._combine()

    def mark(self, markings: str | None) -> None:
        """Put in force which cache marks guards add; see `cachemarks.to_text`. None: none."""
        with self._changing:
            self._markings = markings
            self._combine()

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The overrides that hold at this moment."""
        now_ns = self._clock_ns()
        return tuple(override for override in self._overrides if override.holds(now_ns))

    def _combine(self) -> None:
        told = with_credentials(with_models(self.filed, self._models), self._settings.secrets, self._salt)
        told = with_caching(told, self._fingerprint_key, self._markings)
        combined = with_licences(overridden(told, self.overrides), self._licences)
        if combined != self.current:
            self.current = combined


def with_models(rules: Rules, models: str | None) -> Rules:
    """Rules with what the Models API says of models, under an id of their own."""
    if models is None:
        return rules
    return replace(rules, snapshot=replace(rules.snapshot, id=_id(rules.snapshot.id, models), models=models))


def with_caching(rules: Rules, fingerprint_key: str, markings: str | None) -> Rules:
    """Rules that ask for fingerprints, and say which cache marks are added, under an id of their own."""
    if not fingerprint_key and markings is None:
        return rules
    identity = _id(rules.snapshot.id, fingerprint_key, markings or "")
    snapshot = replace(rules.snapshot, id=identity, fingerprint_key=fingerprint_key, markings=markings)
    return replace(rules, snapshot=snapshot)


def with_licences(rules: Rules, licences: str) -> Rules:
    """Rules with what evals said, under an id of their own; as they are where there was none."""
    if licences == "[]":
        return rules
    return replace(rules, snapshot=replace(rules.snapshot, id=_id(rules.snapshot.id, licences), licences=licences))


def overridden(rules: Rules, overrides: Sequence[Override]) -> Rules:
    """Rules as these overrides leave them, under an id of their own."""
    if not overrides or rules.policy is None:
        return rules
    text, snapshot = to_text(overrides), rules.snapshot
    snapshot = replace(snapshot, id=_id(snapshot.id, text), overrides=text)
    return replace(rules, policy=with_overrides(rules.policy, overrides), snapshot=snapshot)


def with_credentials(rules: Rules, environ: Mapping[str, str], salt: str) -> Rules:
    """Rules that name the credentials of the environment, under an id of their own; as they are where it has none."""
    found = credentials(environ, rules.policy, salt) if salt else ()
    if not found:
        return rules
    names = tuple(one.id for one in found)
    identity = _id(rules.snapshot.id, salt, *names)
    snapshot = replace(rules.snapshot, id=identity, salt=salt, credentials=names)
    return replace(rules, credentials=found, snapshot=snapshot)


def _text(path: Path | None, kind: str) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        why = error.strerror or str(error)
        raise RulesError(
            f"{path}: the {kind} file cannot be read ({why}). Check its path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise RulesError(f"{path}: the {kind} file is no UTF-8 text ({error}). Save it as UTF-8.") from error


def _policy(text: str, file: str, prices: PriceBook) -> Policy:
    known = frozenset(name for model in prices.models for name in (model.id, *model.aliases))
    return parse_policy(text, file=file, known_models=known)


def _snapshot(policy: str | None, prices: str | None, file: str) -> Snapshot:
    # The length keeps a line that moves from one file to the other from going unnoticed.
    parts = ("-" if text is None else f"{len(text)}:{text}" for text in (policy, prices))
    return Snapshot(id=_id(*parts), policy=policy, prices=prices, file=file)


def _id(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _addresses(policy: Policy | None, secrets: Mapping[str, str]) -> dict[str, str]:
    channels = () if policy is None else policy.channels
    return {
        channel.name: _address(f'channel "{channel.name}"', channel.url_env, secrets.get(channel.url_env, ""))
        for channel in channels
        if channel.url_env is not None
    }


def _address(channel: str, variable: str, url: str) -> str:
    """The URL, checked without ever repeating it: it is a secret."""
    if not url:
        raise RulesError(
            f"{channel}: the environment variable {variable} is not set. Set it to the channel's URL in the agent's "
            "environment, or take the channel out of the policy."
        )
    if not _is_url(url):
        raise RulesError(f"{channel}: what {variable} holds is no URL. Set it to one that begins with https://.")
    return url


def _headers(policy: Policy | None, secrets: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    return {
        forward.name: _headers_in(forward.name, forward.headers_env, secrets.get(forward.headers_env, ""))
        for forward in (() if policy is None else policy.forwards)
        if forward.headers_env is not None
    }


def _headers_in(forward: str, variable: str, text: str) -> Mapping[str, str]:
    """The headers, read without ever repeating them: they are secrets."""
    try:
        return parse_headers(text)
    except HeadersError as error:
        raise RulesError(
            f'forward "{forward}": what the environment variable {variable} holds are no headers ({error}). Set it in '
            "the agent's environment to name=value, several with a comma between, such as authorization=Bearer%20KEY, "
            "or take headers_env out of the policy."
        ) from error


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)


def _stamps(settings: Settings) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(_stamp(path) for path in (settings.policy, settings.prices))


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None for one that is not there."""
    if path is None:
        return None
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
