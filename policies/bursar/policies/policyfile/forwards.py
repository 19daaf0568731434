"""How is a [[forward]] of the policy file read?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bursar.policies.forward import QUEUE_MB, Forward, ForwardKind, Protocol
from bursar.policies.policyfile.budgets import read_name
from bursar.policies.policyfile.fields import Fields
from bursar.policies.policyfile.keylines import Path
from bursar.policies.policyfile.mistakes import Mistakes

_KEYS = ("name", "kind", "url", "headers_env", "protocol", "queue_mb")
_SECRET_KEYS = ("headers", "authorization", "token", "secret", "password", "api_key", "key")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_URL = re.compile(r"https?://(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?(?P<path>/[^\s?#]*)?", re.ASCII)
_EXAMPLES: Mapping[str, str] = {
    "otlp": 'url = "http://localhost:4318/v1/traces"',
    "helicone": 'url = "https://api.worker.helicone.ai/custom/v1/log"',
    "langfuse": 'url = "https://cloud.langfuse.com/api/public/otel/v1/traces"',
}
_LARGEST_QUEUE = 1_000_000


def read_forward(table: Mapping[str, Any], path: Path, mistakes: Mistakes) -> Forward:
    """One receiver. What is missing or wrong is noted, and never repeated where it may be a secret."""
    fields = Fields(table, path, mistakes, (*_KEYS, *_SECRET_KEYS))
    kind: ForwardKind = fields.word("kind", ("otlp", "helicone", "langfuse"), "otlp", required=True)
    for key in _SECRET_KEYS:
        if fields.has(key):
            _note_secret(fields, key, "a secret does not belong in this file")
    return Forward(
        name=read_name(fields, "jaeger"),
        kind=kind,
        url=_url(fields, kind),
        headers_env=_headers_env(fields),
        protocol=_protocol(fields, kind),
        queue_mb=fields.whole("queue_mb", 1, _LARGEST_QUEUE, QUEUE_MB),
    )


def _url(fields: Fields, kind: ForwardKind) -> str:
    example = _EXAMPLES[kind]
    url = fields.text("url", example, required=True)
    if url is None:
        return ""
    if "@" in url or "?" in url or "#" in url:
        _note_secret(fields, "url", "it holds a user, a query or a fragment, and those may be secrets")
    elif not _URL.fullmatch(url):
        fields.wrong("url", "this is no address", f"write it with http:// or https://, as in {example}")
    return url


def _headers_env(fields: Fields) -> str | None:
    named = fields.text("headers_env", 'headers_env = "LANGFUSE_HEADERS"')
    if named is not None and not _ENV_NAME.fullmatch(named):
        _note_secret(fields, "headers_env", "this is the place of a name, not of headers")
        return None
    return named


def _protocol(fields: Fields, kind: ForwardKind) -> Protocol:
    protocol: Protocol = fields.word("protocol", ("http/protobuf", "grpc"), "http/protobuf")
    url = fields.raw("url")
    if protocol != "grpc":
        return protocol
    if kind != "otlp":
        fields.wrong("protocol", f"{kind} takes no gRPC", 'take it out, or write protocol = "http/protobuf"')
    elif isinstance(url, str) and (found := _URL.fullmatch(url)) and (found["path"] or "/") != "/":
        fields.wrong("url", "gRPC has no path", 'end it after the port, as in url = "http://localhost:4317"')
    return protocol


def _note_secret(fields: Fields, key: str, problem: str) -> None:
    fields.wrong(
        key,
        problem,
        'put headers as k=v,k=v into an environment variable of the agent and name that: headers_env = "OTLP_HEADERS"',
    )
