"""A stage for what breaks a prompt's cache: breakers with their label, planted in requests, and pairs without one.

Formats marked `held_out` were written after the recogniser was, and it was not changed to meet them.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bursar.policies.fingerprint import Cause

Body = dict[str, Any]
Says = Callable[[random.Random], str]


@dataclass(frozen=True)
class Format:
    """A way of saying something that differs each time."""

    cause: Cause
    name: str
    says: Says
    held_out: bool = False


@dataclass(frozen=True)
class Case:
    """Two requests of one route, and why the second leaves the first; `None`: it does not."""

    cause: Cause | None
    name: str
    old: Body
    new: Body
    held_out: bool = False


def _at(rng: random.Random) -> datetime:
    return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(700 * 86_400))


def _dated(pattern: str) -> Says:
    return lambda rng: _at(rng).strftime(pattern)


def _in_words(months: str, pattern: str) -> Says:
    names = months.split()
    return lambda rng: (at := _at(rng)).strftime(pattern.replace("MONTH", names[at.month - 1]))


def _hex(length: int, head: str = "") -> Says:
    return lambda rng: head + "".join(rng.choice("0123456789abcdef") for _ in range(length))


def _of(alphabet: str, length: int, head: str = "") -> Says:
    return lambda rng: head + "".join(rng.choice(alphabet) for _ in range(length))


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_GERMAN = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
_FRENCH = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
_SPANISH = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
_ITALIAN = "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"
_DUTCH = "januari februari maart april mei juni juli augustus september oktober november december"
_POLISH = "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia"
_PORTUGUESE = "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"
_TOWNS = ("Bergen", "Porto", "Graz", "Lille")
_MOODS = (
    *("friendly", "terse", "formal", "playful", "gentle", "brisk", "solemn"),
    *("dry", "vivid", "plain", "stormy", "sunny", "foggy", "mild"),
)
_TIPS = ("drink more water", "take a walk outside", "read the manual first", "ask before you delete", "sleep on it")
_FIRST = [
    "Jane",
    "Marc",
    "Aisha",
    "Wei",
    "Sofia",
    "Piotr",
    "Fatima",
    "Liam",
    "Chloé",
    "José",
    "Ingrid",
    "Dmitri",
    "Priya",
    "Kwame",
    "Zoë",
    "Anna",
    "Tomás",
    "Yuki",
    "Olga",
    "Ben",
]
_LAST = [
    "Doe",
    "Weber",
    "Khan",
    "Zhang",
    "Rossi",
    "Kowalski",
    "Haddad",
    "Murphy",
    "Dubois",
    "García",
    "Larsen",
    "Petrov",
    "Sharma",
    "Mensah",
    "Visser",
    "Novak",
    "Silva",
]


def _name(rng: random.Random) -> str:
    return f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"


def _mail(rng: random.Random) -> str:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    return f"{first.lower()}.{last.lower()}{rng.randrange(100)}@{rng.choice(['example.com', 'mail.test', 'acme.io'])}"


def _account(rng: random.Random) -> str:
    return (
        f"Customer: {_name(rng)}\nE-mail: {_mail(rng)}\nPlan: {rng.choice(['Pro', 'Team', 'Basic'])}\n"
        f"Customer since: {_at(rng):%Y-%m-%d}\nOpen tickets: {rng.randrange(9)}"
    )


FORMATS = (
    Format(Cause.TIMESTAMP, "iso", lambda rng: f"Current time: {_at(rng).isoformat()}"),
    Format(Cause.TIMESTAMP, "iso-z", lambda rng: f"Now: {_at(rng):%Y-%m-%dT%H:%M:%S}.{rng.randrange(1000):03}Z"),
    Format(Cause.TIMESTAMP, "iso-space", lambda rng: f"The time is {_at(rng):%Y-%m-%d %H:%M:%S} UTC."),
    Format(Cause.TIMESTAMP, "date", lambda rng: f"Today is {_at(rng):%Y-%m-%d}."),
    Format(Cause.TIMESTAMP, "rfc2822", _dated("Date: %a, %d %b %Y %H:%M:%S +0000")),
    Format(Cause.TIMESTAMP, "epoch", lambda rng: f"ts={int(1.76e9) + rng.randrange(20_000_000)}"),
    Format(Cause.TIMESTAMP, "epoch-ms", lambda rng: f'{{"now": {int(1.76e12) + rng.randrange(20_000_000_000)}}}'),
    Format(Cause.TIMESTAMP, "us", _dated("Today's date is %m/%d/%Y.")),
    Format(Cause.TIMESTAMP, "english", _dated("It is %A, %B %d, %Y at %I:%M %p.")),
    Format(Cause.TIMESTAMP, "german", _in_words(_GERMAN, "Heute ist der %d. MONTH %Y, %H:%M Uhr.")),
    Format(Cause.TIMESTAMP, "german-dots", _dated("Stand: %d.%m.%Y %H:%M")),
    Format(Cause.TIMESTAMP, "french", _in_words(_FRENCH, "Nous sommes le %d MONTH %Y.")),
    Format(Cause.TIMESTAMP, "time", _dated("Local time %H:%M:%S")),
    Format(Cause.TIMESTAMP, "ctime", _dated("[%a %b %d %H:%M:%S %Y]"), held_out=True),
    Format(Cause.TIMESTAMP, "spanish", _in_words(_SPANISH, "Hoy es %d de MONTH de %Y"), held_out=True),
    Format(Cause.TIMESTAMP, "italian", _in_words(_ITALIAN, "Oggi è il %d MONTH %Y"), held_out=True),
    Format(Cause.TIMESTAMP, "compact", _dated("run %Y%m%dT%H%M%SZ"), held_out=True),
    Format(Cause.TIMESTAMP, "japanese", _dated("現在は%Y年%m月%d日 %H時%M分です。"), held_out=True),
    Format(Cause.TIMESTAMP, "log", _dated("%Y/%m/%d %H:%M:%S INFO start"), held_out=True),
    Format(
        Cause.TIMESTAMP,
        "ordinal",
        lambda rng: f"As of {_at(rng):%B} {rng.choice([1, 21])}st, {_at(rng):%Y}",
        held_out=True,
    ),
    Format(
        Cause.TIMESTAMP,
        "float-epoch",
        lambda rng: f"clock {1.76e9 + rng.randrange(10**7) + rng.random():.6f}",
        held_out=True,
    ),
    Format(Cause.IDENTIFIER, "uuid4", lambda rng: f"Request id: {uuid.UUID(int=rng.getrandbits(128), version=4)}"),
    Format(Cause.IDENTIFIER, "uuid-bare", lambda rng: f"[{uuid.UUID(int=rng.getrandbits(128), version=4)}]"),
    Format(Cause.IDENTIFIER, "ulid", lambda rng: "trace 01" + _of(_CROCKFORD, 24)(rng)),
    Format(Cause.IDENTIFIER, "hex32", lambda rng: f"trace_id={_hex(32)(rng)}"),
    Format(Cause.IDENTIFIER, "sha256", lambda rng: f"sha256:{_hex(64)(rng)}"),
    Format(Cause.IDENTIFIER, "req", lambda rng: f"Request {_of(_BASE62, 24, 'req_')(rng)}."),
    Format(Cause.IDENTIFIER, "session", lambda rng: f"Session: {_hex(12, 'sess-')(rng)}"),
    Format(Cause.IDENTIFIER, "short-hex", lambda rng: f"build {_hex(8)(rng)}"),
    Format(
        Cause.IDENTIFIER,
        "uuid-upper",
        lambda rng: f"ID {str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper()}",
        held_out=True,
    ),
    Format(Cause.IDENTIFIER, "objectid", lambda rng: f"document {_hex(24)(rng)} follows", held_out=True),
    Format(Cause.IDENTIFIER, "nanoid", lambda rng: f"nonce={_of(_BASE62 + '_', 21)(rng)}", held_out=True),
    Format(
        Cause.IDENTIFIER,
        "traceparent",
        lambda rng: f"traceparent: 00-{_hex(32)(rng)}-{_hex(16)(rng)}-01",
        held_out=True,
    ),
    Format(Cause.IDENTIFIER, "snowflake", lambda rng: f"message {rng.randrange(10**17, 10**18)}", held_out=True),
    Format(Cause.IDENTIFIER, "call", lambda rng: f"correlation {_of(_BASE62, 14, 'call_')(rng)}", held_out=True),
    Format(Cause.PERSON, "talking-to", lambda rng: f"You are talking to {_name(rng)}."),
    Format(Cause.PERSON, "user-mail", lambda rng: f"User: {_mail(rng)}"),
    Format(Cause.PERSON, "account", _account),
    Format(Cause.PERSON, "name-field", lambda rng: f"Customer name: {_name(rng)}"),
    Format(Cause.PERSON, "german-name", lambda rng: f"Kunde: {rng.choice(['Herr', 'Frau'])} {rng.choice(_LAST)}"),
    Format(Cause.PERSON, "account-number", lambda rng: f"Account number {rng.randrange(10**5, 10**6)}"),
    Format(Cause.PERSON, "signed-in", lambda rng: f"Signed in as {_mail(rng)} (admin)", held_out=True),
    Format(
        Cause.PERSON,
        "profile",
        lambda rng: f"The user's name is {rng.choice(_FIRST)} and they like tea.",
        held_out=True,
    ),
    Format(
        Cause.PERSON,
        "json",
        lambda rng: f'{{"user": {{"first": "{rng.choice(_FIRST)}", "mail": "{_mail(rng)}"}}}}',
        held_out=True,
    ),
    Format(Cause.PERSON, "french-name", lambda rng: f"Client : {_name(rng)}, abonné Premium", held_out=True),
    Format(Cause.PERSON, "patient", lambda rng: f"Patient {_name(rng)}, ward {rng.choice('ABC')}", held_out=True),
    Format(Cause.NUMBER, "counter", lambda rng: f"Request number {rng.randrange(1, 10**4)}."),
    Format(Cause.NUMBER, "amount", lambda rng: f"Budget left: ${rng.randrange(10**4) / 100:.2f}"),
    Format(Cause.NUMBER, "score", lambda rng: f"temperature outside {rng.randrange(40)} degrees"),
    Format(Cause.NUMBER, "random", lambda rng: f"random={rng.random():.6f}", held_out=True),
    Format(Cause.NUMBER, "percent", lambda rng: f"Progress: {rng.randrange(100)}% done", held_out=True),
    Format(Cause.NUMBER, "of", lambda rng: f"({rng.randrange(1, 400)} of 400 items left)", held_out=True),
    Format(Cause.TEXT, "tone", lambda rng: f"Answer in a {rng.choice(_MOODS)} way and stay on topic."),
    Format(Cause.TEXT, "weather", lambda rng: f"The weather outside is {rng.choice(_MOODS)} and {rng.choice(_MOODS)}."),
    Format(Cause.TEXT, "tip", lambda rng: f"tip of the moment: {rng.choice(_TIPS)}", held_out=True),
    # A second lot, written after all of the above was seen to be recognised.
    Format(Cause.TIMESTAMP, "rfc850", _dated("%A, %d-%b-%y %H:%M:%S GMT"), held_out=True),
    Format(Cause.TIMESTAMP, "uk", _dated("As at %d %B %Y, %H:%M BST:"), held_out=True),
    Format(Cause.TIMESTAMP, "hour", _dated("It is currently %I %p in London."), held_out=True),
    Format(Cause.TIMESTAMP, "weekday", _dated("Today is a %A."), held_out=True),
    Format(Cause.TIMESTAMP, "dutch", _in_words(_DUTCH, "Vandaag is het %d MONTH %Y."), held_out=True),
    Format(Cause.TIMESTAMP, "polish", _in_words(_POLISH, "Dziś jest %d MONTH %Y r."), held_out=True),
    Format(Cause.TIMESTAMP, "portuguese", _in_words(_PORTUGUESE, "Hoje, %d de MONTH de %Y"), held_out=True),
    Format(Cause.TIMESTAMP, "korean", _dated("오늘은 %Y년 %m월 %d일입니다."), held_out=True),
    Format(Cause.TIMESTAMP, "chinese", _dated("今天是%Y年%m月%d日。"), held_out=True),
    Format(Cause.TIMESTAMP, "xml", _dated("<now>%Y-%m-%dT%H:%M:%S+02:00</now>"), held_out=True),
    Format(Cause.TIMESTAMP, "day-of-year", _dated("Day %j of %Y"), held_out=True),
    Format(Cause.TIMESTAMP, "epoch-ns", lambda rng: f"t0={int(1.76e18) + rng.randrange(10**15)}", held_out=True),
    Format(
        Cause.IDENTIFIER, "arn", lambda rng: f"arn:aws:lambda:eu-1:{rng.randrange(10**11, 10**12)}:fn", held_out=True
    ),
    Format(Cause.IDENTIFIER, "jwt", lambda rng: f"eyJ{_of(_BASE62, 30)(rng)}.{_of(_BASE62, 40)(rng)}", held_out=True),
    Format(Cause.IDENTIFIER, "short-uuid", lambda rng: f"(run {_of(_BASE62, 8)(rng)})", held_out=True),
    Format(Cause.IDENTIFIER, "git", lambda rng: f"HEAD is at {_hex(40)(rng)}", held_out=True),
    Format(
        Cause.IDENTIFIER, "urn", lambda rng: f"urn:uuid:{uuid.UUID(int=rng.getrandbits(128), version=4)}", held_out=True
    ),
    Format(Cause.IDENTIFIER, "ticket", lambda rng: f"Ticket: SUP-{rng.randrange(10**4, 10**5)}", held_out=True),
    Format(Cause.IDENTIFIER, "etag", lambda rng: f'ETag "{_hex(16)(rng)}"', held_out=True),
    Format(Cause.IDENTIFIER, "base64", lambda rng: f"digest {_of(_BASE62 + '+/', 27)(rng)}=", held_out=True),
    Format(Cause.PERSON, "dear", lambda rng: f"Write to {_name(rng)} in a warm tone.", held_out=True),
    Format(Cause.PERSON, "tag", lambda rng: f"<user>{_name(rng)}</user>", held_out=True),
    Format(
        Cause.PERSON, "handle", lambda rng: f"username=@{rng.choice(_FIRST).lower()}{rng.randrange(99)}", held_out=True
    ),
    Format(Cause.PERSON, "phone", lambda rng: f"Phone: +49 30 {rng.randrange(10**6, 10**7)}", held_out=True),
    Format(Cause.PERSON, "table", lambda rng: f"| name | {_name(rng)} |\n| plan | Pro |", held_out=True),
    Format(Cause.PERSON, "sentence", lambda rng: f"{_name(rng)} is a customer in {rng.choice(_TOWNS)}.", held_out=True),
    Format(Cause.PERSON, "japanese", lambda rng: f"お客様: {rng.choice('田佐鈴高')}様", held_out=True),
    Format(Cause.NUMBER, "seed", lambda rng: f"Variation {rng.randrange(1_000)}", held_out=True),
    Format(
        Cause.NUMBER, "euro", lambda rng: f"Guthaben: {rng.randrange(1_000)},{rng.randrange(10, 99)} €", held_out=True
    ),
    Format(Cause.NUMBER, "tokens", lambda rng: f"You have {rng.randrange(10**5)} tokens left.", held_out=True),
    Format(Cause.TEXT, "language", lambda rng: f"Reply in {rng.choice(['French', 'German', 'Thai'])}.", held_out=True),
    Format(
        Cause.TEXT,
        "snippet",
        lambda rng: f"Found: {rng.choice(_TIPS)}; {rng.choice(_MOODS)} {rng.choice(_MOODS)}",
        held_out=True,
    ),
)


def planted(bodies: Sequence[Body], seed: int, rounds: int) -> Iterator[Case]:
    """Breakers of every class, in every place that the requests have room for."""
    rng = random.Random(seed)
    for form in FORMATS:
        for turn in range(rounds):
            place = _PLACES[(turn + rng.randrange(len(_PLACES))) % len(_PLACES)]
            fits = [body for body in bodies if place.fits(body)]
            body = rng.choice(fits)
            one, other = form.says(rng), form.says(rng)
            while one == other:
                other = form.says(rng)
            old, new = place.plant(body, one), place.plant(body, other)
            cause = Cause.TOOLS if form.cause is Cause.TEXT and place.name == "a tool" else form.cause
            yield Case(cause, f"{form.name} in {place.name}", old, place.ends(new, rng), form.held_out)
    for change in _CHANGES:
        fits = [body for body in bodies if change.fits(body)]
        for _ in range(rounds * 2):
            body = _marked(rng.choice(fits), rng)
            old, new = change.makes(body, rng)
            yield Case(change.cause, change.name, old, new)


def clean(bodies: Sequence[Body], seed: int, rounds: int) -> Iterator[Case]:
    """Pairs that leave nothing that might have been shared."""
    rng = random.Random(seed)
    roomy = [body for body in bodies if _system_text(body) or len(body["messages"]) > 1 or body.get("tools")]
    for _ in range(rounds):
        body = _marked(rng.choice(roomy), rng)
        yield Case(None, "goes on", body, goes_on(body, rng))
        yield Case(None, "sent again", body, deepcopy(body))
        yield Case(None, "another last message", _asks(body, _question(rng)), _asks(body, _question(rng)))
        stranger = rng.choice([one for one in roomy if one["messages"] and one["messages"][0] != body["messages"][0]])
        other = {**deepcopy(body), "messages": deepcopy(stranger["messages"])}
        same = {name: body.get(name) for name in ("tool_choice", "thinking")} == {
            name: other.get(name) for name in ("tool_choice", "thinking")
        }
        assert same
        yield Case(None, "another conversation", body, other)
        yield Case(None, "marks moved", _with_marks(body), goes_on(body, rng))


def goes_on(body: Body, rng: random.Random) -> Body:
    """The next turn of its conversation."""
    made = deepcopy(body)
    answer = [{"type": "text", "text": f"I looked into it {rng.randrange(10**6)}."}]
    made["messages"] = [*made["messages"], {"role": "assistant", "content": answer}]
    made["messages"].append({"role": "user", "content": _question(rng)})
    return made


def _question(rng: random.Random) -> str:
    """What users write, dates, names and ids among it."""
    return rng.choice(
        (
            f"What happened on {_at(rng):%Y-%m-%d}?",
            f"Please look up {_name(rng)} for me.",
            f"And what about order {_hex(10)(rng)}?",
            f"Why is it {rng.choice(_MOODS)}? Explain in {rng.randrange(2, 9)} sentences.",
            f"Add {rng.randrange(10**6)} and {rng.randrange(10**6)}",
            f"Translate: {rng.choice(_TIPS)}. Then {rng.choice(_TIPS)}.",
        )
    )


@dataclass(frozen=True)
class _Place:
    name: str
    fits: Callable[[Body], bool]
    plant: Callable[[Body, str], Body]
    ends: Callable[[Body, random.Random], Body]


def _system_text(body: Body) -> str:
    system: str | list[Body] = body.get("system") or ""
    return system if isinstance(system, str) else "".join(str(block.get("text", "")) for block in system)


def _in_system(where: float) -> Callable[[Body, str], Body]:
    def plant(body: Body, text: str) -> Body:
        made = deepcopy(body)
        whole = _system_text(body)
        cut = whole.find(" ", int(where * len(whole))) + 1 if where else 0
        made["system"] = f"{whole[:cut]}\n{text}\n{whole[cut:]}".strip("\n")
        return made

    return plant


def _as_block(body: Body, text: str) -> Body:
    made = deepcopy(body)
    made["system"] = [{"type": "text", "text": text}, {"type": "text", "text": _system_text(body)}]
    return made


def _in_tool(body: Body, text: str) -> Body:
    made = deepcopy(body)
    tool = made["tools"][0]
    tool["description"] = f"{text}\n{tool.get('description', '')}"
    return made


def _in_first_message(body: Body, text: str) -> Body:
    made = deepcopy(body)
    content = made["messages"][0]["content"]
    if isinstance(content, str):
        made["messages"][0]["content"] = f"{text}\n\n{content}"
    else:
        next(block for block in content if block["type"] == "text")["text"] = (
            f"{text}\n\n" + next(block for block in content if block["type"] == "text")["text"]
        )
    return made


def _first_text(body: Body) -> str:
    if not body["messages"]:
        return ""
    content = body["messages"][0]["content"]
    if isinstance(content, str):
        return content
    return next((block["text"] for block in content if block.get("type") == "text"), "")


def _asks(body: Body, question: str) -> Body:
    made = deepcopy(body)
    while made["messages"] and made["messages"][-1]["role"] == "user":
        made["messages"].pop()
    made["messages"].append({"role": "user", "content": question})
    return made


def _asks_anew(body: Body, rng: random.Random) -> Body:
    return _asks(body, _question(rng))


def _as_it_is(body: Body, rng: random.Random) -> Body:
    return body


def _long_system(body: Body) -> bool:
    return len(_system_text(body)) >= 200


_PLACES = (
    _Place("the head of system", _long_system, _in_system(0.0), _asks_anew),
    _Place("the middle of system", _long_system, _in_system(0.4), goes_on),
    _Place("a block before system", _long_system, _as_block, _asks_anew),
    _Place("a tool", lambda body: _describes(body) and len(body["messages"]) > 0, _in_tool, goes_on),
    _Place(
        "a turn before",
        lambda body: len(body["messages"]) > 2 and len(_first_text(body)) > 80,
        _in_first_message,
        goes_on,
    ),
    _Place("a long message", lambda body: len(_first_text(body)) >= 1_200, _in_first_message, _as_it_is),
)


def _describes(body: Body) -> bool:
    tools: list[Body] = body.get("tools") or [{}]
    return len(tools[0].get("description") or "") > 40


@dataclass(frozen=True)
class _Change:
    cause: Cause
    name: str
    fits: Callable[[Body], bool]
    makes: Callable[[Body, random.Random], tuple[Body, Body]]


def _set(cause: Cause, name: str, **changes: Any) -> _Change:
    def makes(body: Body, rng: random.Random) -> tuple[Body, Body]:
        return body, {**(goes_on(body, rng) if rng.random() < 0.5 else deepcopy(body)), **deepcopy(changes)}

    return _Change(
        cause, name, lambda body: _roomy(body) and all(body.get(key) != told for key, told in changes.items()), makes
    )


def _roomy(body: Body) -> bool:
    return len(_first_text(body)) > 80


def _reordered_tools(body: Body, rng: random.Random) -> tuple[Body, Body]:
    made = goes_on(body, rng)
    while made["tools"] == body["tools"]:
        rng.shuffle(made["tools"])
    return body, made


def _reordered_keys(body: Body, rng: random.Random) -> tuple[Body, Body]:
    made = goes_on(body, rng)
    tool = rng.choice(made["tools"])
    for name, told in reversed([*tool.items()]):
        del tool[name]
        tool[name] = told
    return body, made


def _json_in_system(body: Body, rng: random.Random) -> tuple[Body, Body]:
    facts = [(f"key{number}", rng.randrange(100)) for number in range(5)]
    one, other = dict(facts), dict(reversed(facts))
    told = [{**body, "system": f"Facts: {str(facts).replace(chr(39), chr(34))}"} for facts in (one, other)]
    for made in told:
        made["system"] += "\n" + _system_text(body)
    return told[0], _asks_anew(told[1], rng)


def _one_tool_less(body: Body, rng: random.Random) -> tuple[Body, Body]:
    made = goes_on(body, rng)
    del made["tools"][rng.randrange(len(made["tools"]))]
    return (body, made) if rng.random() < 0.5 else (made, body)


def _another_description(body: Body, rng: random.Random) -> tuple[Body, Body]:
    made = goes_on(body, rng)
    tool = made["tools"][0]
    tool["description"] = f"{tool['description']} Use it with care, and only where nothing else helps."
    return body, made


def _with_image(body: Body, rng: random.Random) -> tuple[Body, Body]:
    made = goes_on(body, rng)
    data = _of(_BASE62, 400)(rng)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    made["messages"][-1]["content"] = [image, {"type": "text", "text": "And this?"}]
    return body, made


def _has_no_image(body: Body) -> bool:
    return _roomy(body) and '"image"' not in str(body["messages"]).replace("'", '"')


def _on_another_model(body: Body, rng: random.Random) -> tuple[Body, Body]:
    return {**body, "model": "claude-sonnet-5-5"}, {**goes_on(body, rng), "model": "claude-haiku-5-5"}


def _reordered_system(body: Body, rng: random.Random) -> tuple[Body, Body]:
    parts = [
        {"type": "text", "text": text}
        for text in (_system_text(body), f"Rules of house {rng.randrange(99)}.", "Be brief.")
    ]
    return {**body, "system": parts}, _asks_anew({**body, "system": parts[::-1]}, rng)


def _reordered_lines(body: Body, rng: random.Random) -> tuple[Body, Body]:
    lines = [f"- {tip} {number}" for number, tip in enumerate(_TIPS)]
    told = [
        {**body, "system": "\n".join(["Known facts:", *order, _system_text(body)])} for order in (lines, lines[::-1])
    ]
    return told[0], _asks_anew(told[1], rng)


def _shuffled_documents(body: Body, rng: random.Random) -> tuple[Body, Body]:
    documents = [{"type": "text", "text": f"Document {number}: {rng.choice(_TIPS)} " * 6} for number in range(4)]
    ask = {"type": "text", "text": "Which of these helps?"}
    first = {**deepcopy(body), "messages": [{"role": "user", "content": [*documents, ask]}]}
    second = {**deepcopy(body), "messages": [{"role": "user", "content": [*documents[::-1], ask]}]}
    return first, second


def _many_tools(body: Body) -> bool:
    return len(body.get("tools") or ()) >= 2


def _one_tool(body: Body) -> bool:
    return _describes(body) and len(body["tools"][0]) >= 3 and _roomy(body)


_CHANGES = (
    _Change(Cause.TOOL_ORDER, "tools in another order", _many_tools, _reordered_tools),
    _Change(Cause.KEY_ORDER, "keys of a tool in another order", _one_tool, _reordered_keys),
    _Change(Cause.KEY_ORDER, "keys of JSON in system in another order", _long_system, _json_in_system),
    _Change(Cause.TOOLS, "a tool more or less", lambda body: _many_tools(body) and _roomy(body), _one_tool_less),
    _Change(Cause.TOOLS, "a tool described otherwise", _one_tool, _another_description),
    _set(Cause.TOOL_CHOICE, "tool_choice", tool_choice={"type": "none"}),
    _set(Cause.THINKING, "thinking", thinking={"type": "enabled", "budget_tokens": 4_321}),
    _set(Cause.EFFORT, "effort", output_config={"effort": "low"}),
    _set(Cause.SPEED, "speed", speed="fast"),
    _Change(Cause.IMAGES, "a first image", _has_no_image, _with_image),
    _Change(Cause.MODEL, "another model", _roomy, _on_another_model),
    _Change(Cause.ORDER, "system blocks in another order", _long_system, _reordered_system),
    _Change(Cause.ORDER, "lines of system in another order", _long_system, _reordered_lines),
    _Change(Cause.ORDER, "documents in another order", _long_system, _shuffled_documents),
)


def _marked(body: Body, rng: random.Random) -> Body:
    """Now and then with marks, which must not matter."""
    return _with_marks(body) if rng.random() < 0.3 else deepcopy(body)


def _with_marks(body: Body) -> Body:
    made = deepcopy(body)
    tools: list[Body] = made.get("tools") or []
    for tool in tools[-1:]:
        tool["cache_control"] = {"type": "ephemeral"}
    if isinstance(made.get("system"), str) and made["system"]:
        made["system"] = [{"type": "text", "text": made["system"], "cache_control": {"type": "ephemeral"}}]
    return made
