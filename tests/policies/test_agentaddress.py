"""Claims about an agent's address: three ways to write one, and a sentence for all else."""

from __future__ import annotations

import pytest

from bursar.policies.agentaddress import (
    LONGEST_PATH,
    AddressError,
    AgentAddress,
    host_and_port,
    read_agent_address,
    read_socket_path,
)


@pytest.mark.parametrize(
    ("text", "address", "whole"),
    [
        ("http://127.0.0.1:5000", AgentAddress("http", "127.0.0.1", 5000), "http://127.0.0.1:5000"),
        ("http://agent/", AgentAddress("http", "agent", 4319), "http://agent:4319"),
        ("http://[::1]", AgentAddress("http", "::1", 4319), "http://[::1]:4319"),
        ("HTTPS://agent.example.org", AgentAddress("https", "agent.example.org"), "https://agent.example.org:4319"),
        ("https://[::1]:443", AgentAddress("https", "::1", 443), "https://[::1]:443"),
        ("unix:/run/a.sock", AgentAddress("unix", path="/run/a.sock"), "unix:/run/a.sock"),
        ("unix:///run/a.sock", AgentAddress("unix", path="/run/a.sock"), "unix:/run/a.sock"),
    ],
)
def test_an_address_is_read(text: str, address: AgentAddress, whole: str) -> None:
    """Without a port it is the agent's own, whatever the scheme; printed it has its port, and reads as the same."""
    assert read_agent_address(text) == address
    assert str(address) == whole
    assert read_agent_address(whole) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:4319",
        "/run/a.sock",
        "ftp://agent",
        "http://",
        "http://[::1",
        "http://agent:port",
        "http://agent:0",
        "http://agent:65536",
        "http://user@agent",
        "http://agent/v1/traces",
        "http://agent?x",
    ],
)
def test_what_is_no_address_is_told_with_one_of_each_kind(text: str) -> None:
    """A URL has neither path, query nor user."""
    with pytest.raises(AddressError) as caught:
        read_agent_address(text)
    assert str(caught.value) == (
        f"{text!r} is not an agent's address. Write it as http://127.0.0.1:4319, https://HOST:4319 or "
        "unix:/run/bursar/agent.sock."
    )


@pytest.mark.parametrize("text", ["unix:", "unix:/", "unix:agent.sock", "unix:./agent.sock", "unix:/a\0b"])
def test_a_socket_has_a_whole_path(text: str) -> None:
    """A relative one would mean another file to each process."""
    with pytest.raises(AddressError, match=r"names no Unix socket by its whole path.*unix:/run/bursar/agent\.sock"):
        read_agent_address(text)


def test_a_path_has_107_bytes_at_most() -> None:
    """Bytes, not letters: the kernel has 108 for it, one of which ends it."""
    longest = "/" + "a" * 106
    assert (LONGEST_PATH, read_socket_path(f"unix:{longest}")) == (107, longest)
    with pytest.raises(AddressError, match="has 108 bytes, and that of a Unix socket may have 107: choose"):
        read_socket_path(f"unix:{longest}a")
    with pytest.raises(AddressError, match="has 108 bytes"):
        read_socket_path("unix:/" + "a" * 105 + "é")


def test_an_ipv6_host_stands_in_brackets() -> None:
    """As in URLs."""
    assert host_and_port("::1", 1) == "[::1]:1"
    assert host_and_port("localhost", 1) == "localhost:1"
