"""TLS: spoken as over any socket, and never in the midst of OpenSSL when the process forks."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from tests.certificates import Authority, authority

from bursar.instrumentation import tls
from bursar.instrumentation.tls import TlsSocket, trusting

MEGABYTE = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


@contextmanager
def echo(ca: Authority, *, polite: bool) -> Generator[TlsSocket]:
    """A connection to one who sends everything back, once it has a megabyte, and then ends, with a word or without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    proof = ca.issue("agent")
    context.load_cert_chain(proof.cert, proof.key)
    here, there = socket.socketpair()

    def serve() -> None:
        with context.wrap_socket(there, server_side=True) as opened:
            heard = b""
            while len(heard) < len(MEGABYTE):
                heard += opened.recv(65536)
            opened.sendall(heard)
            if polite:
                opened.settimeout(0.1)
                with suppress(OSError):  # the other side has no word for it
                    opened.unwrap()

    thread = threading.Thread(target=serve)
    thread.start()
    here.settimeout(10)
    made = TlsSocket(here, trusting(ca.file), "localhost")
    try:
        yield made
    finally:
        made.close()
        thread.join()


@pytest.mark.parametrize("polite", [True, False])
def test_much_is_sent_and_read(ca: Authority, polite: bool) -> None:
    """Many records each way, to the end of what the other side has to say, however it says so."""
    with echo(ca, polite=polite) as opened:
        opened.sendall(MEGABYTE)
        with opened.makefile("rb") as file:
            assert file.read() == MEGABYTE


def test_a_fork_waits_for_a_visit_to_openssl(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread is in there, and holds what it holds: the child comes after it has left, and has the use of TLS."""
    inside, leave, forked = threading.Event(), threading.Event(), threading.Event()
    make = ssl.create_default_context

    def slow(**given: Any) -> ssl.SSLContext:
        inside.set()
        assert leave.wait(10)
        assert not forked.is_set(), "forked in the midst of it"
        return make(**given)

    monkeypatch.setattr(ssl, "create_default_context", slow)
    visiting = threading.Thread(target=trusting, args=(ca.file,))
    visiting.start()
    assert inside.wait(10)
    threading.Timer(0.05, leave.set).start()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        monkeypatch.undo()
        trusting(ca.file)
        os._exit(0)
    forked.set()
    visiting.join()
    assert os.waitpid(child, 0)[1] == 0


def test_whoever_is_inside_may_fork(ca: Authority) -> None:
    """A destructor or a signal may do so wherever we are; parent and child both go on."""
    with tls.exporting:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            trusting(ca.file)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    trusting(ca.file)


def test_a_fork_does_not_wait_for_ever(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that never lets go is left behind: the child has locks of its own, and the parent those that it had."""
    monkeypatch.setattr(tls, "FORK_SECONDS", 0.05)
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with tls.exporting:
            inside.set()
            leave.wait()

    staying = threading.Thread(target=stay)
    staying.start()
    assert inside.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        with tls.exporting:
            trusting(ca.file)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    leave.set()
    staying.join()
    trusting(ca.file)
