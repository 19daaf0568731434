"""Claims about settings: one rule for where files are, and nothing that cannot work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bursar.agent.settings import Settings, SettingsError, Tcp, Tls, UnixSocket, read_settings

HOME = {"HOME": "/home/ada"}


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", HOME, "/home/ada/.local/state/bursar"),
        ("linux", {**HOME, "XDG_STATE_HOME": "/state"}, "/state/bursar"),
        ("linux", {**HOME, "XDG_STATE_HOME": ""}, "/home/ada/.local/state/bursar"),
        ("linux", {**HOME, "XDG_STATE_HOME": "/state", "BURSAR_STATE_DIR": "/own"}, "/own"),
        ("darwin", {**HOME, "XDG_STATE_HOME": "/state"}, "/home/ada/Library/Application Support/bursar"),
    ],
)
def test_state_folder(monkeypatch: pytest.MonkeyPatch, platform: str, environ: dict[str, str], folder: str) -> None:
    """The state folder is the platform's, or the one that is named; ledger and journals lie in it."""
    monkeypatch.setattr(sys, "platform", platform)
    settings = read_settings(environ)
    assert settings.state_dir == Path(folder)
    assert settings.db == Path(folder, "bursar.sqlite")
    assert settings.journals == Path(folder, "journal")


def test_defaults() -> None:
    """Without a word the agent listens on loopback, asks for no token and has no rules."""
    settings = read_settings(HOME)
    assert (settings.listen, settings.local, settings.tls) == ((Tcp("127.0.0.1", 4319),), True, None)
    assert (settings.token_file, settings.policy, settings.prices) == (None, None, None)


def test_environment() -> None:
    """Each variable is read."""
    settings = read_settings(
        {**HOME, "BURSAR_DB": "/a.sqlite", "BURSAR_TOKEN_FILE": "/token", "BURSAR_PRICES": "/prices.toml"}
    )
    assert (settings.db, settings.token_file, settings.prices) == (
        Path("/a.sqlite"),
        Path("/token"),
        Path("/prices.toml"),
    )


def test_flags_win() -> None:
    """A flag goes before its variable."""
    environ = {**HOME, "BURSAR_DB": "/a.sqlite", "BURSAR_TOKEN_FILE": "/token", "BURSAR_PRICES": "/prices.toml"}
    settings = read_settings(
        environ, db=Path("/b.sqlite"), token_file=Path("/t"), prices=Path("/p"), policy=Path("/bursar.toml")
    )
    assert (settings.db, settings.token_file) == (Path("/b.sqlite"), Path("/t"))
    assert (settings.prices, settings.policy) == (Path("/p"), Path("/bursar.toml"))


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:5000", "127.0.0.1", 5000),
        ("localhost", "localhost", 4319),
        ("5000", "127.0.0.1", 5000),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:5000", "::1", 5000),
        ("[::1]", "::1", 4319),
        ("127.0.0.9:65535", "127.0.0.9", 65535),
    ],
)
def test_listen(listen: str, host: str, port: int) -> None:
    """An address may leave out its host or its port; all of these are this machine's own."""
    settings = read_settings(HOME, listen=(listen,))
    assert (settings.listen, settings.local) == ((Tcp(host, port),), True)


@pytest.mark.parametrize(
    "listen", ["", ":", ":5000", "127.0.0.1:65536", "a b", "host:port", "http://127.0.0.1:1", "::1"]
)
def test_bad_listen(listen: str) -> None:
    """What is no address is told with one that is."""
    with pytest.raises(
        SettingsError, match=r"--listen .* Write it as 127\.0\.0\.1:4319 or unix:/run/bursar/agent\.sock\."
    ):
        read_settings(HOME, listen=(listen,))


@pytest.mark.parametrize("listen", ["0.0.0.0:4319", "10.0.0.1", "agent.example.org", "[::]:4319"])
def test_others_need_a_token(listen: str) -> None:
    """Where others can connect, a token file is asked for, and then it is fine."""
    with pytest.raises(SettingsError, match="BURSAR_TOKEN_FILE"):
        read_settings(HOME, listen=(listen,))
    assert not read_settings(HOME, listen=(listen,), token_file=Path("/token")).local


@pytest.mark.parametrize(
    ("environ", "api"),
    [
        ({}, None),
        ({"ANTHROPIC_BASE_URL": "http://localhost:1"}, None),
        ({"ANTHROPIC_API_KEY": "k"}, ("https://api.anthropic.com", {"x-api-key": "k"})),
        (
            {"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_BASE_URL": "http://localhost:1/"},
            ("http://localhost:1", {"authorization": "Bearer t"}),
        ),
        ({"ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t"}, ("https://api.anthropic.com", {"x-api-key": "k"})),
    ],
)
def test_the_models_api_is_asked_with_the_environments_own_credential(
    environ: dict[str, str], api: tuple[str, dict[str, str]] | None
) -> None:
    """And not at all without one; what it is stays out of every print."""
    found = read_settings({"HOME": "/home/ada", **environ}).models_api
    assert (found and (found.base_url, found.headers)) == api
    assert "Bearer" not in repr(found)


def test_secrets_stay_inside() -> None:
    """The environment is kept for channels, and never printed."""
    settings = read_settings({**HOME, "SLACK_WEBHOOK_URL": "https://hooks.example.org/secret"})
    assert settings.secrets["SLACK_WEBHOOK_URL"] == "https://hooks.example.org/secret"
    assert "secret" not in repr(settings)


def test_built_by_hand() -> None:
    """Settings that cannot work cannot be built at all."""
    with pytest.raises(SettingsError):
        Settings(state_dir=Path("/s"), db=Path("/s/db"), listen=(Tcp("0.0.0.0"),))


@pytest.mark.parametrize("text", ["127.0.0.1:5000", "[::1]:5000", "unix:/run/bursar/agent.sock"])
def test_a_place_is_told_as_it_was_written(text: str) -> None:
    """An IPv6 host stands in brackets."""
    assert [str(place) for place in read_settings(HOME, listen=(text,)).listen] == [text]


def test_several_places() -> None:
    """Each once, in their order; all of them have to be this machine's for it to be the only one that can connect."""
    socket, port = "unix:/run/bursar/agent.sock", "127.0.0.1:5000"
    settings = read_settings(HOME, listen=(socket, port, "unix:///run/bursar/agent.sock"))
    assert settings.listen == (UnixSocket(Path("/run/bursar/agent.sock")), Tcp("127.0.0.1", 5000))
    assert settings.local
    with pytest.raises(SettingsError, match=r"--listen 0\.0\.0\.0:4319: others .*BURSAR_TOKEN_FILE"):
        read_settings(HOME, listen=(socket, "0.0.0.0"))
    assert not read_settings(HOME, listen=(socket, "0.0.0.0"), token_file=Path("/token")).local


@pytest.mark.parametrize(
    ("text", "told"),
    [("unix:agent.sock", "by its whole path"), ("unix:/" + "a" * 107, "has 108 bytes, and .* may have 107")],
)
def test_a_socket_that_cannot_be(text: str, told: str) -> None:
    """Told with the flag."""
    with pytest.raises(SettingsError, match=rf"--listen: .*{told}"):
        read_settings(HOME, listen=(text,))


def test_tls() -> None:
    """A certificate and its key, for whoever connects by TCP."""
    cert, key = Path("/cert"), Path("/key")
    assert read_settings(HOME, tls_cert=cert, tls_key=key).tls == Tls(cert, key)
    for alone in ({"tls_cert": cert}, {"tls_key": key}):
        with pytest.raises(SettingsError, match="--tls-cert and --tls-key go together"):
            read_settings(HOME, listen=(), **alone)
    with pytest.raises(SettingsError, match=r"--tls-cert: .*a Unix socket needs no certificate\. Add --listen"):
        read_settings(HOME, listen=("unix:/run/a.sock",), tls_cert=cert, tls_key=key)


def test_the_ca_that_commands_trust() -> None:
    """Named by the environment, as for applications."""
    assert read_settings(HOME).ca_file is None
    assert read_settings({**HOME, "BURSAR_CA_FILE": "/ca.pem"}).ca_file == Path("/ca.pem")


def test_the_key_of_what_is_put_off() -> None:
    """Named by the environment alone."""
    assert read_settings({"BURSAR_STATE_DIR": "/s"}).deferrals_key_file is None
    assert read_settings({"BURSAR_DEFERRALS_KEY_FILE": "/k"}).deferrals_key_file == Path("/k")
