"""Claims about [[forward]]: what it may say, that no secret may stand in it, and that none is repeated."""

from __future__ import annotations

import pytest

from bursar.policies.forward import Forward
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.describe import describe
from bursar.policies.policyfile.difference import difference
from bursar.policies.policyfile.mistakes import PolicyError

TOP = 'version = 1\nmode = "observe"\n'
JAEGER = f'{TOP}[[forward]]\nname = "f"\nkind = "otlp"\n'
URL = 'url = "http://localhost:4317"\n'
FORWARD = 'forward[0] "f"'
WHOLE = f"""{JAEGER}{URL}protocol = "grpc"
[[forward]]
name = "lf"
kind = "langfuse"
url = "https://cloud.langfuse.com/api/public/otel/v1/traces"
headers_env = "LANGFUSE_HEADERS"
queue_mb = 512
"""


def test_what_it_says() -> None:
    """HTTP and 256 MB unless it says otherwise."""
    policy = parse_policy(WHOLE, file="p.toml")
    url = "https://cloud.langfuse.com/api/public/otel/v1/traces"
    assert policy.forwards == (
        Forward("f", "otlp", "http://localhost:4317", protocol="grpc"),
        Forward("lf", "langfuse", url, "LANGFUSE_HEADERS", "http/protobuf", 512),
    )
    assert describe(policy)[-2:] == [
        'Spans are passed on to "f" (otlp, grpc) at http://localhost:4317; up to 256 MB of them wait on the disk '
        "while it is away.",
        f'Spans are passed on to "lf" (langfuse, http/protobuf) at {url} with the headers in LANGFUSE_HEADERS; up to '
        "512 MB of them wait on the disk while it is away.",
    ]


def test_what_a_change_would_do() -> None:
    """A receiver that goes is a sentence that holds no more."""
    old, new = (parse_policy(text, file="p.toml") for text in (WHOLE, JAEGER + URL))
    assert [line[:36] for line in difference(old, new)] == [
        '- Spans are passed on to "f" (otlp, ',
        '+ Spans are passed on to "f" (otlp, ',
        '- Spans are passed on to "lf" (langf',
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:4318",
        "https://[::1]:4318/v1/traces",
        "https://otlp-gateway-prod-eu.grafana.net/otlp/v1/traces",
    ],
)
def test_addresses(url: str) -> None:
    assert parse_policy(f'{JAEGER}url = "{url}"\n', file="p.toml").forwards[0].url == url


MISTAKES = [
    # the text, the key, its line, words of the problem, words of the remedy
    (f"{TOP}[forward]\n", "forward", 3, "written as one table", "write [[forward]]"),
    (f'{TOP}[[forward]]\nname = "f"\n{URL}', f"{FORWARD}.kind", 3, '"kind" is missing', 'kind = "langfuse"'),
    (f'{TOP}[[forward]]\nkind = "otlp"\n{URL}', "forward[0].name", 3, '"name" is missing', 'name = "jaeger"'),
    (f'{TOP}[[forward]]\nname = "f"\nkind = "oltp"\n{URL}', f"{FORWARD}.kind", 5, "is none", 'did you mean "otlp"?'),
    (JAEGER, f"{FORWARD}.url", 3, '"url" is missing', 'add url = "http://localhost:4318/v1/traces"'),
    (f'{JAEGER}url = "localhost:4318"\n', f"{FORWARD}.url", 6, "no address", "write it with http://"),
    (f'{JAEGER}url = "http://u:SECRET@x"\n', f"{FORWARD}.url", 6, "those may be secrets", "headers_env ="),
    (f'{JAEGER}url = "http://x/?key=SECRET"\n', f"{FORWARD}.url", 6, "those may be secrets", "headers_env ="),
    (f'{JAEGER}{URL}headers_env = "a=SECRET"\n', f"{FORWARD}.headers_env", 7, "a name, not of headers", "k=v,k=v"),
    (f'{JAEGER}{URL}headers = "a=SECRET"\n', f"{FORWARD}.headers", 7, "a secret does not belong", "headers_env ="),
    (f'{JAEGER}{URL}api_key = "SECRET"\n', f"{FORWARD}.api_key", 7, "a secret does not belong", "headers_env ="),
    (f'{JAEGER}{URL}protocol = "http"\n', f"{FORWARD}.protocol", 7, "is none", 'protocol = "http/protobuf"'),
    (
        f'{JAEGER}url = "http://x:4317/v1/traces"\nprotocol = "grpc"\n',
        f"{FORWARD}.url",
        6,
        "gRPC has no path",
        'url = "http://localhost:4317"',
    ),
    (
        f'{JAEGER.replace("otlp", "langfuse")}{URL}protocol = "grpc"\n',
        f"{FORWARD}.protocol",
        7,
        "langfuse takes no gRPC",
        "take it out",
    ),
    (f"{JAEGER}{URL}queue_mb = 0\n", f"{FORWARD}.queue_mb", 7, "from 1 to 1000000", "queue_mb = 256"),
    (f"{JAEGER}{URL}queue = 5\n", f"{FORWARD}.queue", 7, 'unknown key "queue"', 'did you mean "queue_mb"?'),
    (
        f"{JAEGER}{URL}{JAEGER.removeprefix(TOP)}{URL}",
        'forward[1] "f".name',
        8,
        'an earlier forward is named "f" too',
        "a name of its own",
    ),
]


@pytest.mark.parametrize(("text", "path", "line", "problem", "remedy"), MISTAKES)
def test_a_mistake_says_where_what_and_how_to_mend_it(
    text: str, path: str, line: int, problem: str, remedy: str
) -> None:
    """Each is told once, and no secret with it."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, file="p.toml")
    (found,) = caught.value.mistakes
    assert (found.path, found.line) == (path, line)
    assert problem in found.problem and remedy in found.remedy
    assert "SECRET" not in str(caught.value)
