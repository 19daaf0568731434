"""Does a real receiver show what Bursar sends? `python -m tests.receivers [phoenix] [prometheus]`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from tests.receivers import prometheus
from tests.receivers.call import COST, OTHER_COST, PLAIN_COST, TOKENS, make_call
from tests.receivers.claim import Claim, until
from tests.receivers.phoenix import Phoenix, Shown, made, serving
from tests.receivers.prometheus import MissingError

from bursar.agent.app import serving_agent
from bursar.agent.ledger.forwardtables import path_beside, states
from bursar.agent.settings import Settings, Tcp

_POLICY = """
version = 1
mode = "observe"
[[forward]]
name = "phoenix"
kind = "otlp"
url = "{url}"
protocol = "{protocol}"
"""


def main(arguments: Sequence[str]) -> int:
    """Ask the receivers that are named, or all; 1 if a claim does not hold, 3 where one is not installed."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    table = Table("way", "claim", "holds", "found", title=f"with anthropic {version('anthropic')}")
    failed = asked = 0
    for name in arguments or RECEIVERS:
        with Progress(*columns, console=console, transient=True) as progress, tempfile.TemporaryDirectory() as folder:
            progress.add_task(name, total=None)
            try:
                found = list(RECEIVERS[name](Path(folder)))
            except MissingError as error:
                console.print(f"{name}: {error}")
                return 3
        for claim in found:
            table.add_row(claim.way, claim.says, "yes" if claim.holds else "NO", str(claim.found))
        asked += len(found)
        failed += sum(not claim.holds for claim in found)
    console.print(table)
    console.print(f"{asked - failed} passed, {failed} failed")
    return 1 if failed else 0


def _of_phoenix(folder: Path) -> Iterator[Claim]:
    with serving(made(), folder) as phoenix:
        yield from _claims(phoenix, folder)


def _claims(phoenix: Phoenix, folder: Path) -> Iterator[Claim]:
    direct = f"http://127.0.0.1:{phoenix.port}/v1/traces"
    shown = _shown(phoenix, _export(direct))
    says = "a cost of its own: cached reads at their price, cache writes as plain input"
    yield from _counted("direct", shown, PLAIN_COST, says)
    yield Claim("direct", "no cost of Bursar's on a span of the SDK's", "bursar" not in shown.attributes, "")
    for protocol, url in (
        ("http/protobuf", f"http://127.0.0.1:{phoenix.port}"),
        ("grpc", f"http://127.0.0.1:{phoenix.grpc_port}"),
    ):
        way = f"through the agent, {protocol}"
        with _agent(folder / protocol.replace("/", "-"), _POLICY.format(url=url, protocol=protocol)) as (agent, sent):
            span = _export(f"{agent}/v1/traces")
            shown = _shown(phoenix, span)
            says = "a cost of its own: cached tokens at their price, 1-hour writes at the 5-minute price"
            yield from _counted(way, shown, OTHER_COST, says)
            told = shown.attributes.get("bursar", {}).get("cost", {})
            yield Claim(way, "Bursar's exact cost is an attribute", told.get("nano_usd") == COST, told.get("nano_usd"))
            yield Claim(way, "the agent knows that it was taken", until(lambda: sent() == 1), sent())


def _counted(way: str, shown: Shown, cost: int, says: str) -> Iterator[Claim]:
    yield Claim(way, "the span is one of a model", shown.kind == "llm", shown.kind)
    counts = (shown.prompt, shown.completion)
    yield Claim(way, "tokens in and out", counts == TOKENS, counts)
    reckoned = None if shown.cost is None else round(shown.cost * 10**9)
    yield Claim(way, says, reckoned == cost, reckoned)


@contextmanager
def _agent(folder: Path, policy: str) -> Generator[tuple[str, Callable[[], int]]]:
    """An agent with this policy: its address, and how many spans its receiver has taken."""
    folder.mkdir()
    (folder / "bursar.toml").write_text(policy)
    settings = Settings(state_dir=folder, db=folder / "db", listen=(Tcp(port=0),), policy=folder / "bursar.toml")
    with serving_agent(settings) as running:
        yield running.url, lambda: sum(state.sent for state in states(path_beside(folder / "db")))


def _export(endpoint: str) -> str:
    """Make one call of the real SDK, and have OpenTelemetry's exporter send its span; the span's id."""
    kept: list[ReadableSpan] = []

    class Kept(SimpleSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            kept.append(span)
            super().on_end(span)

    provider = TracerProvider()
    provider.add_span_processor(Kept(OTLPSpanExporter(endpoint=endpoint)))
    make_call(provider)
    provider.shutdown()
    context = kept[0].context
    if context is None:
        raise SystemExit("the SDK's span has no id")
    return f"{context.span_id:016x}"


def _shown(phoenix: Phoenix, span: str) -> Shown:
    if not until(lambda: span in phoenix.spans()):
        raise SystemExit(f"Phoenix does not show the span {span}")
    until(lambda: phoenix.spans()[span].cost is not None)
    return phoenix.spans()[span]


RECEIVERS: Mapping[str, Callable[[Path], Iterator[Claim]]] = {"phoenix": _of_phoenix, "prometheus": prometheus.claims}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
