"""Claims about serving."""

import socket
import threading
import time
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from bursar.agent.sandbox import create_app, serving


def test_serves_inside_the_block_only() -> None:
    """The URL answers inside the block; after it the port is free and the thread gone."""
    before = threading.active_count()
    with serving(create_app()) as url:
        port = urlsplit(url).port
        assert threading.active_count() == before + 1
        with urlopen(f"{url}/sandbox/bill") as answer:
            assert answer.read() == b'{"nano_usd":0,"requests":0,"by_model":{},"by_key":{}}'
    assert port is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
    assert threading.active_count() == before


def test_port_can_be_chosen() -> None:
    """A given port is the one served, again and again."""
    with serving(create_app()) as first:
        port = urlsplit(first).port or 0
    with serving(create_app(), port) as second:
        assert second == first


def test_taken_port() -> None:
    """A port that is taken is an error that says which and what to do."""
    with (
        serving(create_app()) as url,
        pytest.raises(OSError, match=r"cannot listen on 127.0.0.1:\d+ .*choose another port, or 0"),
        serving(create_app(), urlsplit(url).port or 0),
    ):
        pass


def test_a_hanging_request_does_not_hold_the_block() -> None:
    """A client that waits for an answer which never comes is cut off when the block ends."""
    with serving(create_app()) as url:
        address = urlsplit(url)
        client = socket.create_connection((address.hostname or "", address.port or 0))
        body = b'{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[{"role":"user","content":"x"}]}'
        head = (
            "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\n"
            f"x-sandbox-error: hang\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        client.sendall(head.encode() + body)
        ended = time.monotonic()
    assert time.monotonic() - ended < 10
    with client:
        client.settimeout(5)
        assert b"200 OK" not in client.recv(1_000)
