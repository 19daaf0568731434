"""The policy file: the whole grammar in, frozen rules or every mistake out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bursar.policies.amounts import AmountError, Limit, Velocity
from bursar.policies.policy import Budget, Channel, Digest, Mode, Policy, Step, StepAction, Unbounded, Unreachable
from bursar.policies.policyfile import Mistake, PolicyError, one_cap, parse_policy
from bursar.policies.route import Find, Route

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "bursar.toml"

DESIGN = """\
# bursar.toml
version = 1
mode = "enforce"                         # required: observe (decide, record, tell) or enforce (act)
timezone = "Europe/Berlin"
on_unreachable = "limited 1 USD"         # open, closed, limited AMOUNT
unknown_price = "dearest"                # or "refuse"
ladder = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]

[[budget]]
name = "support-day"
match = { route = "support.*", env = "prod" }     # globs over route, model and labels; absent matches all
per = ["tenant"]                                  # a balance for each value; absent: one
limit = "50 USD"                                  # or "2M tokens", "1000 calls"
every = "day"                                     # hour, day, week, month, "rolling 24h", "conversation", "run"
# defaults: overdraft = "0 USD"   fit = "trim" (or "asked")   patience = "2s"   unbounded = "reserve 0.50 USD"
[budget.at]                                       # share of the limit, or an amount in a span
"50%" = "alert slack"
"80%" = ["downgrade", "alert slack"]              # one rung; "downgrade to cheapest"
"90%" = "batch"                                   # only routes with may_wait
"100%" = "block"
"10 USD in 10m" = "alert slack"

[[route]]
name = "support.triage"
find = { code = "desk.triage:*" }                 # no change to the code
ladder = ["claude-sonnet-5-5", "claude-haiku-5-5"]
may_wait = "2h"                                   # absent: never put off
cache = "advise"                                  # off, advise, auto
lossy = true                                      # absent: nothing is lost to fit

[[channel]]
name = "slack"
kind = "slack"
url_env = "SLACK_WEBHOOK_URL"                     # secrets are named, never written
"""

SLACK = StepAction("alert", channel="slack")

# A budget without a mistake; tests put their lines above it or in place of one of its own.
TOP = 'version = 1\nmode = "enforce"\n'
GOOD_BUDGET = '[[budget]]\nname = "b"\nlimit = "5 USD"\nevery = "day"\n'
GOOD = TOP + GOOD_BUDGET


def mistakes(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, file="bursar.toml")
    return caught.value.mistakes


def test_the_design_s_example_is_understood() -> None:
    """Every key of it, with what this release does not act on said in plain words."""
    assert parse_policy(DESIGN, file="bursar.toml") == Policy(
        version=1,
        mode=Mode.ENFORCE,
        timezone="Europe/Berlin",
        on_unreachable=Unreachable("limited", 1_000_000_000),
        unknown_price="dearest",
        ladder=("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"),
        budgets=(
            Budget(
                name="support-day",
                match={"route": "support.*", "env": "prod"},
                per=("tenant",),
                limit=Limit("usd", 50_000_000_000),
                every="day",
                overdraft_nano=0,
                fit="trim",
                patience_seconds=2.0,
                unbounded=Unbounded("reserve", 500_000_000),
                steps=(
                    Step("50%", Fraction(1, 2), None, (SLACK,)),
                    Step("80%", Fraction(4, 5), None, (StepAction("downgrade", target="rung"), SLACK)),
                    Step("90%", Fraction(9, 10), None, (StepAction("batch"),)),
                    Step("100%", Fraction(1), None, (StepAction("block"),)),
                    Step("10 USD in 10m", None, Velocity(10_000_000_000, 600.0), (SLACK,)),
                ),
                watch=("burn", "forecast", "creep"),
            ),
        ),
        routes=(
            Route(
                "support.triage",
                Find(code="desk.triage:*"),
                ladder=("claude-sonnet-5-5", "claude-haiku-5-5"),
                may_wait_seconds=7200.0,
                cache="advise",
                lossy=True,
            ),
        ),
        channels=(Channel("slack", "slack", "SLACK_WEBHOOK_URL"), Channel("log", "log")),
    )


def test_the_example_file_is_enforced_as_it_stands() -> None:
    """No mistake, nothing that is only recorded, and a budget that holds."""
    policy = parse_policy(EXAMPLE.read_text(encoding="utf-8"), file="bursar.toml")
    assert policy.warnings == ()
    assert [(budget.name, budget.hard) for budget in policy.budgets] == [("support-day", True), ("all-month", False)]


def test_the_smallest_file_has_a_version_and_a_mode() -> None:
    """Everything else has a default."""
    assert parse_policy('version = 1\nmode = "observe"\n', file="p.toml") == Policy(1, Mode.OBSERVE)


def test_a_route_may_be_named_only_and_have_no_ladder() -> None:
    """Then the application names it, and the policy's ladder holds."""
    policy = parse_policy(f'{TOP}[[route]]\nname = "desk.triage:run"\n', file="p.toml")
    assert policy.routes == (Route("desk.triage:run"),)


def test_every_way_to_find_a_route_is_read() -> None:
    """Each key of `find` into its own field."""
    find = '{ code = "a", http_route = "b", span = "c", baggage = "d=e", service = "f" }'
    policy = parse_policy(f'{TOP}[[route]]\nname = "r"\nfind = {find}\n', file="p.toml")
    assert policy.routes[0].find == Find(code="a", http_route="b", span="c", baggage="d=e", service="f")


def test_the_log_channel_can_be_written_down() -> None:
    """It then stands once."""
    policy = parse_policy(f'{TOP}[[channel]]\nname = "log"\nkind = "log"\n', file="p.toml")
    assert policy.channels == (Channel("log", "log"),)


DIGEST = f'{TOP}[digest]\nchannel = "log"\n'


def test_a_digest_has_its_day_and_hour() -> None:
    """Monday at nine, unless the file says otherwise; without the table there is none."""
    assert parse_policy(TOP, file="p.toml").digest is None
    assert parse_policy(DIGEST, file="p.toml").digest == Digest("log", "monday", 9)
    written = parse_policy(f'{DIGEST}day = "friday"\nhour = 0\n', file="p.toml")
    assert written.digest == Digest("log", "friday", 0)


def test_models_without_a_price_are_told_where_the_prices_are_known() -> None:
    """As a warning, since a model may be newer than the price book."""
    text = f'ladder = ["claude-opus-5-5", "claude-haiku-55"]\n{TOP}'
    known = parse_policy(text, file="p.toml", known_models=("claude-opus-5-5", "claude-haiku-5-5"))
    assert known.warnings == (
        'ladder: "claude-haiku-55" is not in the price book; did you mean "claude-haiku-5-5"? its cost will be unknown',
    )
    assert parse_policy(text, file="p.toml").warnings == ()


BUDGET = 'budget[0] "b"'
CHANNEL = 'channel[0] "c"'
ROUTE = 'route[0] "r"'
GOOD_CHANNEL = f'{TOP}[[channel]]\nname = "c"\n'
GOOD_ROUTE = f'{TOP}[[route]]\nname = "r"\n'
AT = f"{GOOD}[budget.at]\n"
LADDER = 'ladder = ["a", "b"]\n'

MISTAKES = [
    # the text, the key, its line, words of the problem, words of the remedy
    ('mode = "enforce"\n', "version", None, '"version" is missing', "add version = 1"),
    ("version = 1\n", "mode", None, '"mode" is missing', 'mode = "observe" or mode = "enforce"'),
    ('version = 2\nmode = "enforce"\n', "version", 1, "version 1 of the file only", "write version = 1"),
    ('version = "1"\nmode = "enforce"\n', "version", 1, "version 1 of the file only", "write version = 1"),
    ('version = true\nmode = "enforce"\n', "version", 1, "version 1 of the file only", "write version = 1"),
    ('version = 1.0\nmode = "enforce"\n', "version", 1, "version 1 of the file only", "write version = 1"),
    ('version = 1\nmode = "enforced"\n', "mode", 2, '"enforced" is none', 'did you mean "enforce"?'),
    ("version = 1\nmode = true\n", "mode", 2, "not a truth value", 'mode = "enforce"'),
    (f"{TOP}budgets = []\n", "budgets", 3, 'unknown key "budgets"', 'did you mean "budget"?'),
    (f'{TOP}timezone = "Europe/Berln"\n', "timezone", 3, "no known time zone", 'did you mean "Europe/Berlin"?'),
    (f'{TOP}timezone = "/etc/x"\n', "timezone", 3, "no known time zone", '"Europe/Berlin", or "UTC"'),
    (f'{TOP}timezone = "Europe"\n', "timezone", 3, "no known time zone", '"Europe/Berlin", or "UTC"'),
    (f'{TOP}timezone = ""\n', "timezone", 3, "no known time zone", '"Europe/Berlin", or "UTC"'),
    (f"{TOP}timezone = 1\n", "timezone", 3, "not a number", 'timezone = "Europe/Berlin"'),
    (f'{TOP}on_unreachable = "limited"\n', "on_unreachable", 3, "names no amount", '"limited 1 USD"'),
    (f'{TOP}on_unreachable = "limited 1 EUR"\n', "on_unreachable", 3, '"1 EUR" is no amount', '"50 USD"'),
    (f'{TOP}on_unreachable = "opn"\n', "on_unreachable", 3, "none of its values", 'did you mean "open"?'),
    (f'{TOP}unknown_price = "free"\n', "unknown_price", 3, "none of its values", 'unknown_price = "refuse"'),
    (f'{TOP}ladder = "a"\n', "ladder", 3, "a list of texts", 'ladder = ["claude-opus-5-5"'),
    (f"{TOP}ladder = [1]\n", "ladder", 3, "a list of texts", 'ladder = ["claude-opus-5-5"'),
    (f'{TOP}ladder = [""]\n', "ladder", 3, "a list of texts", 'ladder = ["claude-opus-5-5"'),
    (f'{TOP}ladder = ["a", "b", "a"]\n', "ladder", 3, '"a" stands in it twice', "name each once"),
    # budgets
    (f'{TOP}[budget]\nname = "b"\n', "budget", 3, "written as one table", "write [[budget]]"),
    (f'{TOP}[budget.at]\n"1%" = "block"\n', "budget", 3, "written as one table", "write [[budget]]"),
    (f"{TOP}budget = [1]\n", "budget[0]", 3, "a table is expected", "write [[budget]] above its keys"),
    (GOOD.replace('name = "b"\n', ""), "budget[0].name", 3, '"name" is missing', 'name = "support-day"'),
    (GOOD.replace('"b"', '"B"'), 'budget[0] "B".name', 4, '"B" cannot be a name', "lower-case letters"),
    (GOOD.replace('"b"', '"a|b"'), 'budget[0] "a|b".name', 4, "cannot be a name", "lower-case letters"),
    (GOOD.replace('"b"', '".b"'), 'budget[0] ".b".name', 4, "cannot be a name", "beginning with a letter or digit"),
    (GOOD + GOOD_BUDGET, 'budget[1] "b".name', 8, 'an earlier budget is named "b" too', "a name of its own"),
    (GOOD.replace('limit = "5 USD"\n', ""), f"{BUDGET}.limit", 3, '"limit" is missing', 'limit = "50 USD"'),
    (GOOD.replace("5 USD", "50 EUR"), f"{BUDGET}.limit", 5, '"50 EUR" is no limit', '"50 USD"'),
    (GOOD.replace("5 USD", "-1 USD"), f"{BUDGET}.limit", 5, '"-1 USD" is no amount', '"50 USD"'),
    (GOOD.replace("5 USD", "0.1234567891 USD"), f"{BUDGET}.limit", 5, "more than nine decimals", "0.000000001 USD"),
    (GOOD.replace('"5 USD"', "5"), f"{BUDGET}.limit", 5, "not a number", 'limit = "50 USD"'),
    (GOOD.replace('every = "day"\n', ""), f"{BUDGET}.every", 3, '"every" is missing', 'every = "day"'),
    (GOOD.replace('"day"', '"dya"'), f"{BUDGET}.every", 6, '"dya" is no window', 'did you mean "day"?'),
    (GOOD.replace('"day"', '"rolling"'), f"{BUDGET}.every", 6, '"rolling" is no window', '"rolling 24h"'),
    (GOOD.replace('"day"', '"rolling 1"'), f"{BUDGET}.every", 6, "is no span of time", '"10m"'),
    (GOOD.replace('"day"', '"rolling 0h"'), f"{BUDGET}.every", 6, "too short or too long", 'as in "rolling 24h"'),
    (f"{GOOD}pre = []\n", f"{BUDGET}.pre", 7, 'unknown key "pre"', 'did you mean "per"?'),
    (f'{GOOD}unknown_price = "refuse"\n', f"{BUDGET}.unknown_price", 7, "unknown key", "at the top of the file"),
    (f'{GOOD}timezone = "Asia/Tokio"\n', f"{BUDGET}.timezone", 7, "no known time zone", 'did you mean "Asia/Tokyo"?'),
    (f'{GOOD}per = "tenant"\n', f"{BUDGET}.per", 7, "a list of texts", 'per = ["tenant"]'),
    (f'{GOOD}per = ["a|b"]\n', f"{BUDGET}.per", 7, '"a|b" cannot be a label', 'as in "tenant"'),
    (f'{GOOD}match = "x"\n', f"{BUDGET}.match", 7, "a table is expected", 'match = { route = "support.*" }'),
    (f"{GOOD}match = {{ env = 1 }}\n", f"{BUDGET}.match", 7, '"env" is matched against a text', '{ env = "prod" }'),
    (f'{GOOD}match = {{ "a=b" = "x" }}\n', f"{BUDGET}.match", 7, '"a=b" cannot be a label', 'as in "tenant"'),
    (f'{GOOD}overdraft = "-1 USD"\n', f"{BUDGET}.overdraft", 7, "no amount of money", '"50 USD"'),
    (f'{GOOD}fit = "trimmed"\n', f"{BUDGET}.fit", 7, "none of its values", 'did you mean "trim"?'),
    (f'{GOOD}patience = "2"\n', f"{BUDGET}.patience", 7, "no span of time", '"2s"'),
    (f"{GOOD}patience = 2\n", f"{BUDGET}.patience", 7, "not a number", 'patience = "2s"'),
    (f'{GOOD}unbounded = "reserve"\n', f"{BUDGET}.unbounded", 7, "names no amount", '"reserve 0.50 USD"'),
    (f'{GOOD}unbounded = "refused"\n', f"{BUDGET}.unbounded", 7, "none of its values", 'did you mean "refuse"?'),
    (f'{GOOD}mode = "off"\n', f"{BUDGET}.mode", 7, '"off" is none', 'mode = "observe"'),
    (f'{GOOD}on_unreachable = "shut"\n', f"{BUDGET}.on_unreachable", 7, "none of its values", '"closed"'),
    (
        GOOD.replace("5 USD", "5 calls") + 'overdraft = "1 USD"\n',
        f"{BUDGET}.overdraft",
        7,
        "an overdraft is money, but the limit is in calls",
        "take it out",
    ),
    (f'{GOOD}watch = "burn"\n', f"{BUDGET}.watch", 7, "a list of texts", 'watch = ["burn", "forecast", "creep"]'),
    (
        f'{GOOD}watch = ["bun"]\n[budget.at]\n"80%" = "alert log"\n',
        f"{BUDGET}.watch",
        7,
        '"bun" is nothing that can be watched',
        'did you mean "burn"?',
    ),
    (f'{GOOD}watch = ["burn"]\n', f"{BUDGET}.watch", 7, "nobody would hear of it", '"80%" = "alert log"'),
    (
        GOOD.replace('"day"', '"hour"') + 'watch = ["burn"]\n[budget.at]\n"80%" = "alert log"\n',
        f"{BUDGET}.watch",
        7,
        "has no trend to watch",
        'use every = "day" or "week" or "month"',
    ),
    # the digest
    (f"{TOP}[digest]\n", "digest.channel", 3, '"channel" is missing', 'channel = "slack"'),
    (f'{TOP}digest = "log"\n', "digest", 3, "a table is expected", "[digest] with channel"),
    (DIGEST.replace('"log"', '"lgo"'), "digest.channel", 4, 'no channel "lgo"', 'did you mean "log"?'),
    (f'{DIGEST}day = "mon"\n', "digest.day", 5, '"mon" is none of its values', 'did you mean "monday"?'),
    (f"{DIGEST}hour = 24\n", "digest.hour", 5, "from 0 to 23 is expected, not 24", "write hour = 9"),
    (f"{DIGEST}hour = 9.5\n", "digest.hour", 5, "not 9.5", "write hour = 9"),
    (f"{DIGEST}hour = true\n", "digest.hour", 5, "not a truth value", "write hour = 9"),
    (f"{DIGEST}at = 9\n", "digest.at", 5, 'unknown key "at"', "the keys here are channel, day, hour"),
    # steps
    (f'{GOOD}at = "block"\n', f"{BUDGET}.at", 7, "a table is expected", '"100%" = "block"'),
    (f'{AT}"80" = "block"\n', f"{BUDGET}.at.80", 8, "neither a share nor an amount", 'such as "80%"'),
    (f'{AT}"x%" = "block"\n', f'{BUDGET}.at."x%"', 8, '"x%" is no share', 'as in "80%"'),
    (f'{AT}"10 USD in" = "alert log"\n', f'{BUDGET}.at."10 USD in"', 8, "neither a share nor", '"10 USD in 10m"'),
    (f'{AT}"5 in 10m" = "alert log"\n', f'{BUDGET}.at."5 in 10m"', 8, '"5" is no amount', '"50 USD"'),
    (f'{AT}patience = "2s"\n', f"{BUDGET}.at.patience", 8, "is a key of the budget", "above the [budget.at] line"),
    (f'{AT}"80%" = "blok"\n', f'{BUDGET}.at."80%"', 8, 'unknown action "blok"', 'did you mean "block"?'),
    (f'{AT}"80%" = "block now"\n', f'{BUDGET}.at."80%"', 8, '"now" follows', 'write "block"'),
    (f'{AT}"80%" = 1\n', f'{BUDGET}.at."80%"', 8, "an action or a list of actions", '"alert log"'),
    (f'{AT}"80%" = []\n', f'{BUDGET}.at."80%"', 8, "an action or a list of actions", '"alert log"'),
    (f'{AT}"80%" = ["alert log", 1]\n', f'{BUDGET}.at."80%"', 8, "an action or a list of actions", '"alert log"'),
    (f'{AT}"80%" = ["block", "block"]\n', f'{BUDGET}.at."80%"', 8, "an action stands in it twice", "name each once"),
    (f'{AT}"80%" = "alert"\n', f'{BUDGET}.at."80%"', 8, "names no channel", '"alert log"'),
    (f'{AT}"80%" = "alert lgo"\n', f'{BUDGET}.at."80%"', 8, 'no channel "lgo"', 'did you mean "log"?'),
    (f'{AT}"80%" = "downgrade"\n', f'{BUDGET}.at."80%"', 8, "a ladder of at least two models", "strong to cheap"),
    (f'ladder = ["a"]\n{AT}"80%" = "downgrade"\n', f'{BUDGET}.at."80%"', 9, "at least two models", "add ladder"),
    (
        f'{LADDER}{AT}"80%" = "downgrade cheapest"\n',
        f'{BUDGET}.at."80%"',
        9,
        "is not understood",
        '"downgrade to cheapest"',
    ),
    (f'{AT}"101%" = "block"\n', f'{BUDGET}.at."101%"', 8, "above 100% of the limit", "raise the limit or overdraft"),
    (f'{AT}"1001%" = "alert log"\n', f'{BUDGET}.at."1001%"', 8, "above 1000%", "from 0% to 1000%"),
    (f'{AT}"80%" = "block"\n"80.0%" = "alert log"\n', f'{BUDGET}.at."80.0%"', 9, "written twice", "into one list"),
    (f'{AT}"80%" = "block"\n"90%" = "block"\n', f'{BUDGET}.at."90%"', 9, 'from "80%" on', "a smaller share"),
    (
        f'{LADDER}{AT}"90%" = ["alert log", "downgrade"]\n"80%" = "block"\n',
        f'{BUDGET}.at."90%"',
        9,
        "never reached",
        "a smaller share than the block",
    ),
    # routes
    (f"{TOP}[route]\n", "route", 3, "written as one table", "write [[route]]"),
    (f"{TOP}[[route]]\n", "route[0].name", 3, '"name" is missing', 'name = "support.triage"'),
    (GOOD_ROUTE.replace('"r"', '"a.*"'), 'route[0] "a.*".name', 4, "cannot be a name", 'globs stand in "find"'),
    (f'{GOOD_ROUTE}[[route]]\nname = "r"\n', 'route[1] "r".name', 6, "an earlier route", "a name of its own"),
    (f"{GOOD_ROUTE}find = {{}}\n", f"{ROUTE}.find", 5, "it would find every call", "add one of code, http_route"),
    (f'{GOOD_ROUTE}find = "x"\n', f"{ROUTE}.find", 5, "a table is expected", 'find = { code = "desk.triage:*" }'),
    (f'{GOOD_ROUTE}find = {{ cod = "x" }}\n', f"{ROUTE}.find.cod", 5, 'unknown key "cod"', 'did you mean "code"?'),
    (f"{GOOD_ROUTE}find = {{ span = 1 }}\n", f"{ROUTE}.find.span", 5, "not a number", 'span = "desk.*"'),
    (f'{GOOD_ROUTE}may_wait = "soon"\n', f"{ROUTE}.may_wait", 5, "no span of time", '"10m"'),
    (f'{GOOD_ROUTE}cache = "on"\n', f"{ROUTE}.cache", 5, '"on" is none', 'cache = "auto"'),
    (f'{GOOD_ROUTE}lossy = "yes"\n', f"{ROUTE}.lossy", 5, "true or false is expected", "write lossy = true"),
    (f'{GOOD_ROUTE}ladder = "a"\n', f"{ROUTE}.ladder", 5, "a list of texts", "strong to cheap"),
    # channels
    (f"{TOP}[channel]\n", "channel", 3, "written as one table", "write [[channel]]"),
    (GOOD_CHANNEL, f"{CHANNEL}.kind", 3, '"kind" is missing', 'kind = "slack"'),
    (f'{GOOD_CHANNEL}kind = "slak"\n', f"{CHANNEL}.kind", 5, '"slak" is none', 'did you mean "slack"?'),
    (f'{GOOD_CHANNEL}kind = "slack"\n', f"{CHANNEL}.url_env", 3, 'needs "url_env"', 'url_env = "SLACK_URL"'),
    (f'{GOOD_CHANNEL}kind = "log"\nurl_env = "X"\n', f"{CHANNEL}.url_env", 6, "has no URL", "take it out"),
    (
        f'{GOOD_CHANNEL}kind = "slack"\nurl = "https://x.test/SECRET"\n',
        f"{CHANNEL}.url",
        6,
        "a secret does not belong in this file",
        'url_env = "SLACK_WEBHOOK_URL"',
    ),
    (
        f'{GOOD_CHANNEL}kind = "webhook"\nurl_env = "https://x.test/SECRET"\n',
        f"{CHANNEL}.url_env",
        6,
        "the place of a name, not of a secret",
        "an environment variable",
    ),
    (
        f'{TOP}[[channel]]\nname = "log"\nkind = "slack"\nurl_env = "X"\n',
        'channel[0] "log".name',
        4,
        "always writes to the log",
        'another name, as in "slack"',
    ),
    (
        f'{GOOD_CHANNEL}kind = "log"\n[[channel]]\nname = "c"\nkind = "log"\n',
        'channel[1] "c".name',
        7,
        'an earlier channel is named "c" too',
        "a name of its own",
    ),
    # no TOML
    ("version = 1\nmode = enforce\n", "", 2, "no valid TOML: Invalid value", "put texts in quotes"),
    ('version = 1\nx = "\n', "", 2, "no valid TOML", "put texts in quotes"),
    (f"{TOP}[[budget\n", "", 3, "no valid TOML", "one key = value on each line"),
    (f"{TOP}x =", "", 3, "no valid TOML: Invalid value", "one key = value on each line"),
    (f"{TOP}mode = 'x'\n", "", 3, "no valid TOML: Cannot overwrite a value", "each key once"),
    (f"{AT}80% = 'block'\n", "", 8, "no valid TOML", '"80%" = "alert log"'),
    (
        f'{TOP}[budget.at]\n"80%" = "alert log"\n{GOOD_BUDGET}',
        "budget.at",
        3,
        "stands before the first [[budget]]",
        "write it after the [[budget]] that it belongs to",
    ),
]


@pytest.mark.parametrize(("text", "path", "line", "problem", "remedy"), MISTAKES)
def test_a_mistake_says_where_what_and_how_to_mend_it(
    text: str, path: str, line: int | None, problem: str, remedy: str
) -> None:
    """One mistake in the file is one mistake told: none is missed, and none breeds another."""
    (found,) = mistakes(text)
    assert (found.path, found.line) == (path, line)
    assert problem in found.problem
    assert remedy in found.remedy


def test_all_mistakes_are_told_at_once() -> None:
    """In the order of the file, under its name."""
    text = 'version = 2\n[[budget]]\nname = "b"\nlimit = "5 EUR"\nevery = "day"\n[budget.at]\n"90%" = "alert slak"\n'
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, file="conf/bursar.toml")
    assert [(mistake.path, mistake.line) for mistake in caught.value.mistakes] == [
        ("mode", None),
        ("version", 1),
        (f"{BUDGET}.limit", 4),
        (f'{BUDGET}.at."90%"', 7),
    ]
    assert str(caught.value).startswith("conf/bursar.toml: 4 mistakes\n  conf/bursar.toml: mode: ")
    assert f'\n  conf/bursar.toml:7: {BUDGET}.at."90%": there is no channel "slak"' in str(caught.value)


@pytest.mark.parametrize("key", ["url", "webhook_url", "token", "url_env", "password"])
def test_a_secret_written_into_the_file_is_not_repeated(key: str) -> None:
    """Messages go to logs and pages."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(f'{GOOD_CHANNEL}kind = "slack"\n{key} = "https://x.test/SECRET"\n', file="bursar.toml")
    assert "SECRET" not in str(caught.value)


def test_a_downgrade_may_go_down_a_route_s_ladder() -> None:
    """Without a ladder at the top."""
    text = f'{AT}"80%" = "downgrade"\n[[route]]\nname = "r"\n{LADDER}'
    assert parse_policy(text, file="p.toml").routes[0].ladder == ("a", "b")


@pytest.mark.parametrize(("limit", "nano"), [("2 USD", 2_000_000_000), ("0.50 USD", 500_000_000), ("0 USD", 0)])
def test_one_cap_is_a_policy_that_holds(limit: str, nano: int) -> None:
    """One balance for everything, an alert at 80% and a block at 100%, also without the agent."""
    policy = parse_policy(one_cap(limit), file="--limit")
    assert (policy.mode, policy.on_unreachable.kind, policy.warnings) == (Mode.ENFORCE, "closed", ())
    (budget,) = policy.budgets
    assert (budget.name, budget.every, budget.per, budget.match) == ("run", "month", (), {})
    assert (budget.limit, budget.ceiling_of(""), budget.hard) == (Limit("usd", nano), nano, True)
    assert [(step.label, step.actions) for step in budget.steps] == [
        ("80%", (StepAction("alert", channel="log"),)),
        ("100%", (StepAction("block"),)),
    ]


@pytest.mark.parametrize("limit", ["2", "2 EUR", '2 USD"\nevery = "hour', "-2 USD"])
def test_one_cap_takes_money_only(limit: str) -> None:
    """And lets nothing else into the file."""
    with pytest.raises(AmountError, match="no amount of money"):
        one_cap(limit)


def test_windows_turn_in_the_zone_of_the_file() -> None:
    """As the engine asks for it."""
    assert parse_policy(f'{TOP}timezone = "Asia/Tokyo"\n', file="p.toml").zone == ZoneInfo("Asia/Tokyo")


def test_a_route_names_where_its_key_is() -> None:
    """By the name of an environment variable; a key in its place is not repeated."""
    text = f'{TOP}[[route]]\nname = "digest"\nmay_wait = "2h"\ncredential_env = '
    (route,) = parse_policy(text + '"BATCH_KEY"\n', file="f").routes
    assert route.credential_env == "BATCH_KEY"
    with pytest.raises(PolicyError) as error:
        parse_policy(text + '"sk-ant-secret"\n', file="f")
    assert "the place of a name, not of a key" in str(error.value)
    assert "secret" not in str(error.value)
