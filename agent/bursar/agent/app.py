"""How do the agent's parts come together, and how are they taken apart again?"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from anyio.from_thread import start_blocking_portal

from bursar.agent.adoption import Adoption
from bursar.agent.advice.asking import AdviceCommand
from bursar.agent.advice.caching.adviser import KeptAdviser
from bursar.agent.advice.caching.automatic import Automatic
from bursar.agent.advice.keeping import Keeping
from bursar.agent.alerting.channels import open_channel
from bursar.agent.alerting.delivery import Delivery
from bursar.agent.alerting.watch import Watch
from bursar.agent.batching.means import Means
from bursar.agent.batching.office import Office, prepare
from bursar.agent.batching.vault import open_vault
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.dashboard import entrance, pages
from bursar.agent.dashboard.live import Live
from bursar.agent.dashboard.passes import Passes
from bursar.agent.dashboard.rate import Rate
from bursar.agent.dashboard.visitors import Browsers
from bursar.agent.evals.desk import Desk as EvalDesk
from bursar.agent.evals.desk import take_up_licences
from bursar.agent.forward.forwarding import Forwarding
from bursar.agent.forward.outlets import Outlets
from bursar.agent.housekeeping import Housekeeping
from bursar.agent.ledger import Ledger, LedgerError
from bursar.agent.ledger.forwardtables import path_beside, states
from bursar.agent.models import ASK_SECONDS, Models
from bursar.agent.rules import RulesError, RulesInForce
from bursar.agent.scheduler import Chore, scheduled
from bursar.agent.serving import desk, metrics, prints
from bursar.agent.serving.certificate import Certificate
from bursar.agent.serving.listening import ListenError, answering, listening
from bursar.agent.serving.recalls import Recalls
from bursar.agent.serving.server import ServerState, create_app
from bursar.agent.settings import Settings, SettingsError
from bursar.agent.silence import Silence, silent
from bursar.agent.spans import receiver
from bursar.agent.spans.slicing import Slicing
from bursar.agent.statefolder import own_state_folder

ADOPT_SECONDS = 2
RELOAD_SECONDS = 2
DELIVER_SECONDS = 1
FORWARD_SECONDS = 1
SILENCE_SECONDS = 10
KEEP_HOUSE_SECONDS = 600
WATCH_SECONDS = 60
ADVISE_SECONDS = 60
MARK_SECONDS = 600
STOP_SECONDS = 5.0
"""After a signal the process ends within this, whatever hangs: everything acknowledged is on the disk already."""

CANNOT_START = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """An agent that answers."""

    urls: tuple[str, ...]
    ledger: Ledger
    rules: RulesInForce

    @property
    def url(self) -> str:
        """The first of those under which it is reached."""
        return self.urls[0]


@asynccontextmanager
async def running_agent(
    settings: Settings,
    *,
    clock_ns: Callable[[], int] = time.time_ns,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncGenerator[Running]:
    """
    The agent while the block lasts; `transport` is how it reaches the API, for what is put off.

    Straight on purpose: each part that is started pushes its end at once, and all end in reverse, also where a later
    one fails to start. Raises `SettingsError`, `RulesError`, `ListenError` or `LedgerError`.
    """
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as teardown:
        token = _read_token(settings.token_file)
        vault = open_vault(settings.deferrals_key_file)
        rules = RulesInForce(settings, clock_ns=clock_ns)
        certificate = None if settings.tls is None else Certificate(settings.tls)
        teardown.enter_context(own_state_folder(settings.state_dir))
        listeners = [teardown.enter_context(listening(place, certificate)) for place in settings.listen]
        ledger = Ledger(settings.db, clock_ns=clock_ns)
        _tell_of_older_copy(ledger, settings)
        teardown.push_async_callback(asyncio.to_thread, ledger.close)
        prepare(ledger, rules, vault, clock_ns())
        rules.fingerprint(prints.key_of(ledger))

        client = await teardown.enter_async_context(httpx.AsyncClient())
        delivery = Delivery(
            ledger,
            lambda name: open_channel(name, rules.current, client),
            clock_ns=clock_ns,
            rules=lambda: rules.current,
        )
        teardown.push_async_callback(delivery.aclose)
        nudge = partial(loop.call_soon_threadsafe, delivery.nudge)
        recalls = Recalls()
        bookkeeper = Bookkeeper(
            ledger,
            rules,
            clock_ns=clock_ns,
            on_alert=nudge,
            on_wanted=lambda holder, keys: loop.call_soon_threadsafe(recalls.want, holder, keys),
        )
        bookkeeper.take_up_overrides()
        take_up_licences(ledger, rules)
        adoption = Adoption(settings.journals, socket.gethostname(), bookkeeper)
        asking = await teardown.enter_async_context(httpx.AsyncClient(transport=transport))
        office = Office(Means(bookkeeper, clock_ns, vault, lambda: secrets.token_hex(8)), asking)
        teardown.push_async_callback(office.close)
        forwarding = Forwarding(
            path_beside(settings.db),
            lambda: rules.current,
            Outlets(client, clock_ns=clock_ns),
            clock_ns=clock_ns,
            chance=random.random,
        )
        teardown.push_async_callback(forwarding.aclose)
        evals = EvalDesk(bookkeeper, vault, clock_ns)

        housekeeping = Housekeeping(ledger, clock_ns=clock_ns)
        advice = AdviceCommand(settings)
        chores = [
            Chore("keep house", KEEP_HOUSE_SECONDS, housekeeping.run),
            Chore("adopt journals", ADOPT_SECONDS, adoption.run),
            Chore("deliver alerts", DELIVER_SECONDS, nudge),
            Chore("pass spans on", FORWARD_SECONDS, forwarding.tend),
            Chore("reload rules", RELOAD_SECONDS, rules.reload),
            Chore("look for the silent", SILENCE_SECONDS, _silence(ledger, clock_ns)),
            Chore("watch the outlook", WATCH_SECONDS, Watch(bookkeeper, clock_ns=clock_ns).look),
            Chore("work advice out", ADVISE_SECONDS, Keeping(ledger, advice, clock_ns=clock_ns).look),
            Chore("mark prompts", MARK_SECONDS, Automatic(ledger, rules, KeptAdviser(ledger), clock_ns=clock_ns).look),
            *office.chores(),
            *evals.chores(),
        ]
        if certificate is not None:
            chores.append(Chore("renew the certificate", RELOAD_SECONDS, certificate.renew))
        if settings.models_api is not None:
            models = Models(settings.models_api, client, tell=rules.hear_of_models, clock=time.monotonic)
            chores.append(Chore("ask the Models API", ASK_SECONDS, models.ask))
        await teardown.enter_async_context(scheduled(chores))
        teardown.push_async_callback(asyncio.to_thread, adoption.stop)
        teardown.callback(housekeeping.stop)
        slicing = Slicing(bookkeeper, clock_ns)
        telemetry = receiver.routes(forwarding.after(slicing.spans), slicing.events, slicing.points)
        teardown.callback(advice.stop)
        live = Live(lambda: ledger.last_commit_ns)
        passes = None if token is None else Passes(token, time.time, secrets.token_urlsafe)
        others = [
            *telemetry,
            *desk.routes(bookkeeper, clock_ns),
            *prints.routes(ledger, clock_ns),
            *metrics.routes(bookkeeper, clock_ns, partial(states, path_beside(settings.db))),
            *office.routes(),
            *evals.routes(),
            *entrance.routes(passes, Rate(entrance.TRIES, time.monotonic)),
            *pages.routes(ledger, rules, live, clock_ns, clock=time.monotonic),
        ]
        visitors = None if passes is None else Browsers(passes)
        app = create_app(ServerState(bookkeeper, token, settings.local, recalls, visitors), others)
        urls = tuple(listener.url for listener in listeners)
        await teardown.enter_async_context(answering(app, *listeners))
        teardown.callback(recalls.close)
        teardown.callback(office.release)
        teardown.callback(live.close)
        yield Running(urls, ledger, rules)


def run_agent(settings: Settings, *, stop_with_input: bool = False) -> int:
    """
    Run until SIGTERM or SIGINT; SIGHUP reads the rules again. Returns the exit code: 0, or 3 if it cannot start.

    `stop_with_input`: the end of standard input stops it too, so that it does not outlive who started it. One line on
    standard error says when it is ready, or else what is wrong.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    # At INFO these say every request, with the secret address of a channel in it, and every run of a chore.
    for noisy in ("httpx", "httpcore", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # A chore that takes longer than its turn is by design; what one raises is an error.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    try:
        asyncio.run(_until_stopped(settings, stop_with_input=stop_with_input))
    except (SettingsError, RulesError, ListenError, LedgerError) as error:
        sys.stderr.write(f"bursar agent: {error}\n")
        return CANNOT_START
    return 0


@contextmanager
def serving_agent(settings: Settings, *, clock_ns: Callable[[], int] = time.time_ns) -> Generator[Running]:
    """The real agent in a thread of its own while the block lasts. Raises as `running_agent` does."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_agent(settings, clock_ns=clock_ns)) as running,
    ):
        yield running


async def _until_stopped(settings: Settings, *, stop_with_input: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    if stop_with_input:
        threading.Thread(target=_at_end_of_input, args=(loop, stop), name="bursar-input", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop)
    async with running_agent(settings) as running:
        loop.add_signal_handler(
            signal.SIGHUP, lambda: loop.run_in_executor(None, partial(running.rules.reload, asked=True))
        )
        sys.stderr.write(_ready(settings, running))
        sys.stderr.flush()
        await stop.wait()


def _stop(stop: asyncio.Event) -> None:
    deadline = threading.Timer(STOP_SECONDS, os._exit, [1])
    deadline.daemon = True
    deadline.start()
    stop.set()


def _at_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(_stop, stop)


def _ready(settings: Settings, running: Running) -> str:
    """What a person wants to see first: where it is, what it writes, what it enforces, and what it does not."""
    policy = running.rules.current.policy
    rules = "no policy, so calls are counted and none is refused"
    if policy is not None:
        rules = f"policy {settings.policy} (mode {policy.mode})"
    lines = [f"bursar agent: ready at {' and '.join(running.urls)}, ledger {settings.db}, {rules}"]
    if policy is not None:
        lines += [f"warning: {warning}" for warning in policy.warnings]
    return "".join(f"{line}\n" for line in lines)


def _tell_of_older_copy(ledger: Ledger, settings: Settings) -> None:
    if ledger.lost_commits:
        _log.warning(
            "the ledger %s is an older copy: %d commits that it once had are not in it. What processes were lent is "
            "repaired as they are heard of; what was charged since the copy is in no balance, so compare "
            "`bursar report` with your bill",
            settings.db,
            ledger.lost_commits,
        )


def _silence(ledger: Ledger, clock_ns: Callable[[], int]) -> Callable[[], None]:
    silence = Silence()

    def look() -> None:
        with ledger.reading() as db:
            found = silent(db, clock_ns())
        silence.tell(found)

    return look


def _read_token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the token file {path} cannot be read ({error}). Check BURSAR_TOKEN_FILE.") from error
    if not token:
        raise SettingsError(f"the token file {path} is empty. Write a secret into it, on one line.")
    return token
