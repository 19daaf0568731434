"""How does the text of a policy file become a Policy, or a list of what is wrong with it?"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, cast, get_args

from bursar.policies.amounts import parse_duration, parse_usd, usd
from bursar.policies.policy import Channel, ChannelKind, Digest, Mode, Policy, Weekday
from bursar.policies.policyfile.budgets import BUDGET_KEYS, read_budgets, read_name, read_unreachable
from bursar.policies.policyfile.captures import parse_capture
from bursar.policies.policyfile.fields import TOP_KEYS, Fields, names_once, tables
from bursar.policies.policyfile.forwards import read_forward
from bursar.policies.policyfile.keylines import Path, key_lines
from bursar.policies.policyfile.mistakes import Mistake, Mistakes, PolicyError, did_you_mean
from bursar.policies.policyfile.steps import Surroundings
from bursar.policies.policyfile.turns import read_timezone
from bursar.policies.policyfile.unenforced import unenforced, unpriced
from bursar.policies.route import Find, Route

__all__ = ["Mistake", "PolicyError", "one_cap", "parse_policy"]

_ROUTE_KEYS = (
    *("name", "find", "ladder", "may_wait", "streams_wait", "credential_env", "cache", "lossy"),
    *("capture", "requires_eval"),
)
_FIND_KEYS = ("code", "http_route", "span", "baggage", "service")
_CHANNEL_KEYS = ("name", "kind", "url_env")
_DIGEST_KEYS = ("channel", "day", "hour")
_DAYS: tuple[Weekday, ...] = get_args(Weekday)
_SECRET_KEYS = ("url", "webhook", "webhook_url", "token", "secret", "password", "api_key")
_ROUTE_NAME = re.compile(r"[^\s|*?\[\]]+")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LADDER = 'ladder = ["claude-opus-5-5", "claude-haiku-5-5"], strong to cheap'


def parse_policy(text: str, *, file: str, known_models: Collection[str] = ()) -> Policy:
    """
    The policy that a TOML text writes down; `file` is its name in messages.

    Raises PolicyError with every mistake in it. What parses but is not acted on in this release stands in
    `Policy.warnings`, and so do, if `known_models` are given, models of a ladder that are not among them.
    """
    data = _document(text, file)
    mistakes = Mistakes(text, file, data)
    policy = _policy(data, mistakes)
    mistakes.raise_any()
    warnings = unenforced(policy) + (unpriced(policy, known_models) if known_models else ())
    return replace(policy, warnings=warnings)


def one_cap(limit: str) -> str:
    """
    The policy file of `bursar run --limit "2 USD"`: one amount for all calls of the command.

    Meant for an agent of the command's own, whose ledger begins empty. The month is the longest window there is, and
    without the agent nothing is allowed, since a cap that somebody asked for must hold. Raises AmountError.
    """
    return f"""\
version = 1
mode = "enforce"
on_unreachable = "closed"

[[budget]]
name = "run"
limit = "{usd(parse_usd(limit))} USD"
every = "month"
[budget.at]
"80%" = "alert log"
"100%" = "block"
"""


def _document(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(file, (_syntax_mistake(text, str(error)),)) from None


def _syntax_mistake(text: str, message: str) -> Mistake:
    """A TOML error with its line, or the slip behind it where it is one of the usual ones."""
    lines = key_lines(text)
    for array in ("budget", "route", "channel", "forward"):
        early = next((path for path in lines if path[0] == array), ())
        if (array, 0) in lines and lines[early] < lines[array, 0]:
            header = ".".join(map(str, early))
            remedy = f"write it after the [[{array}]] that it belongs to"
            return Mistake(header, lines[early], f"[{header}] stands before the first [[{array}]]", remedy)
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    written = text.splitlines()
    line = int(found[1]) if found and found[1] else len(written) or None
    problem = f"this is no valid TOML: {message[: found.start()] if found else message}"
    if line and re.match(r"\s*[0-9.]+\s*%", written[line - 1]):
        return Mistake("", line, problem, 'put the share in quotes: "80%" = "alert log"')
    return Mistake("", line, problem, "put texts in quotes and write one key = value on each line, each key once")


def _policy(data: dict[str, Any], mistakes: Mistakes) -> Policy:
    fields = Fields(data, (), mistakes, TOP_KEYS)
    budgets = tables(data, "budget", mistakes)
    routes = tables(data, "route", mistakes)
    channels = tables(data, "channel", mistakes)
    forwards = tables(data, "forward", mistakes)
    for found in (budgets, routes, channels, forwards):
        names_once(found, mistakes)
    names = {name for _, table in channels if isinstance(name := table.get("name"), str)}
    around = Surroundings(
        channels=frozenset({*names, "log"}),
        has_ladder=any(_has_rungs(table.get("ladder")) for table in (data, *(table for _, table in routes))),
        budget_keys=BUDGET_KEYS,
    )
    return Policy(
        version=_version(fields),
        mode=fields.word("mode", tuple(Mode), Mode.OBSERVE, required=True),
        timezone=read_timezone(fields) or "UTC",
        on_unreachable=read_unreachable(fields),
        unknown_price=fields.word("unknown_price", ("dearest", "refuse"), "dearest"),
        ladder=fields.texts("ladder", _LADDER),
        requires_eval=fields.flag("requires_eval"),
        budgets=tuple(one for path, table in budgets for one in read_budgets(table, path, mistakes, around)),
        routes=tuple(_route(table, path, mistakes) for path, table in routes),
        channels=_with_log(tuple(_channel(table, path, mistakes) for path, table in channels)),
        forwards=tuple(read_forward(table, path, mistakes) for path, table in forwards),
        digest=_digest(fields, around.channels) if fields.has("digest") else None,
    )


def _has_rungs(ladder: object) -> bool:
    """Whether a ladder can be gone down; one that is written wrongly counts, since its own mistake is told already."""
    return ladder is not None and (not isinstance(ladder, list) or len(cast("list[object]", ladder)) > 1)


def _version(fields: Fields) -> int:
    version = fields.raw("version")
    if version is None:
        fields.wrong("version", '"version" is missing', "add version = 1")
    elif version != 1 or isinstance(version, bool | float):
        fields.wrong("version", "this release reads version 1 of the file only", "write version = 1")
    return 1


def _route(table: Mapping[str, Any], path: Path, mistakes: Mistakes) -> Route:
    fields = Fields(table, path, mistakes, _ROUTE_KEYS)
    name = fields.text("name", 'name = "support.triage"', required=True)
    if name is not None and not _ROUTE_NAME.fullmatch(name):
        fields.wrong("name", f'"{name}" cannot be a name', 'write one name without spaces; globs stand in "find"')
    return Route(
        name=name or "",
        find=_find(fields, path) if fields.has("find") else None,
        ladder=fields.texts("ladder", _LADDER) if fields.has("ladder") else None,
        may_wait_seconds=fields.parsed("may_wait", parse_duration, None, 'may_wait = "2h"'),
        streams_wait=fields.flag("streams_wait"),
        credential_env=_credential_env(fields),
        cache=fields.word("cache", ("off", "advise", "auto"), "advise"),
        lossy=fields.flag("lossy"),
        capture=fields.parsed("capture", parse_capture, None, 'capture = "eval 500"'),
        requires_eval=fields.flag("requires_eval") if fields.has("requires_eval") else None,
    )


def _credential_env(fields: Fields) -> str | None:
    named = fields.text("credential_env", 'credential_env = "BATCH_KEY"')
    if named is not None and not _ENV_NAME.fullmatch(named):
        fields.wrong(
            "credential_env",
            "this is the place of a name, not of a key",
            'put the key into an environment variable of the agent and name that: credential_env = "BATCH_KEY"',
        )
        return None
    return named


def _find(fields: Fields, path: Path) -> Find:
    table = fields.table("find", 'find = { code = "desk.triage:*" }')
    if fields.raw("find") == {}:
        fields.wrong("find", "it asks for nothing, so it would find every call", "add one of " + ", ".join(_FIND_KEYS))
    globs = Fields(table, (*path, "find"), fields.mistakes, _FIND_KEYS)
    return Find(**{key: globs.text(key, f'{key} = "desk.*"') for key in _FIND_KEYS})


def _channel(table: Mapping[str, Any], path: Path, mistakes: Mistakes) -> Channel:
    fields = Fields(table, path, mistakes, (*_CHANNEL_KEYS, *_SECRET_KEYS))
    name = read_name(fields, "slack")
    kind: ChannelKind = fields.word("kind", ("slack", "webhook", "log"), "log", required=True)
    for key in _SECRET_KEYS:
        if fields.has(key):
            _note_secret(fields, key)
    if name == "log" and kind != "log":
        fields.wrong(
            "name", 'the channel "log" always writes to the log', f'give this one another name, as in "{kind}"'
        )
    return Channel(name, kind, _url_env(fields, kind))


def _digest(fields: Fields, channels: Collection[str]) -> Digest:
    table = fields.table("digest", '[digest] with channel = "slack" below it')
    if not isinstance(fields.raw("digest"), dict):
        return Digest("")
    digest = Fields(table, ("digest",), fields.mistakes, _DIGEST_KEYS)
    channel = digest.text("channel", 'channel = "slack"', required=True)
    if channel is not None and channel not in channels:
        remedy = f"{did_you_mean(channel, channels)}use one of {', '.join(sorted(channels))}, or add a [[channel]]"
        digest.wrong("channel", f'there is no channel "{channel}"', remedy)
    return Digest(channel or "", digest.word("day", _DAYS, "monday"), digest.whole("hour", 0, 23, 9))


def _url_env(fields: Fields, kind: ChannelKind) -> str | None:
    example = f'url_env = "{"WEBHOOK" if kind == "log" else kind.upper()}_URL"'
    named = fields.text("url_env", example)
    if kind == "log" and named is not None:
        fields.wrong("url_env", "a log channel has no URL", 'take it out, or write kind = "slack" or kind = "webhook"')
    elif named is not None and not _ENV_NAME.fullmatch(named):
        _note_secret(fields, "url_env")
    elif kind != "log" and not any(fields.has(key) for key in ("url_env", *_SECRET_KEYS)):
        fields.wrong("url_env", f'a {kind} channel needs "url_env"', f"add {example}")
    return named


def _note_secret(fields: Fields, key: str) -> None:
    """Says so without repeating what may be a secret."""
    fields.wrong(
        key,
        "this is the place of a name, not of a secret" if key == "url_env" else "a secret does not belong in this file",
        'put it into an environment variable and name that: url_env = "SLACK_WEBHOOK_URL"',
    )


def _with_log(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    has_log = any(channel.name == "log" for channel in channels)
    return channels if has_log else (*channels, Channel("log", "log"))
