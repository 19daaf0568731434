"""A program that knows nothing of Bursar, run by OpenTelemetry's own command."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.whole.scene import House, house, program

COMMAND = Path(sys.executable).with_name("opentelemetry-instrument")

DESK = """
import json, sys
import anthropic
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

mine = InMemorySpanExporter()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(mine))
client = anthropic.Anthropic()
ask = {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
client.messages.create(**ask)
list(client.messages.create(**ask, stream=True))
with client.messages.stream(**ask) as stream:
    stream.get_final_message()
spans = [[span.name, span.attributes.get("bursar.cost.nano_usd")] for span in mine.get_finished_spans()]
print(json.dumps({"spans": spans, "bursar": "bursar.instrumentation" in sys.modules}))
"""

METERED = """
import json
import anthropic
from opentelemetry import metrics
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

mine = InMemoryMetricReader()
metrics.get_meter_provider().add_metric_reader(mine)
client = anthropic.Anthropic()
ask = {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
client.messages.create(**ask)
list(client.messages.create(**ask, stream=True))
(scope,) = mine.get_metrics_data().resource_metrics[0].scope_metrics
points = {metric.name: metric.data.data_points for metric in scope.metrics}
print(json.dumps({
    "cost": [[p.value, p.attributes["bursar.route"]] for p in points["bursar.cost.nano_usd"]],
    "calls": [p.count for p in points["gen_ai.client.inference.duration"]],
    "streams": [p.count for p in points["gen_ai.client.inference.time_to_first_chunk"]],
}))
"""


def run(home: House, source: str = DESK, **environ: str) -> tuple[dict[str, Any], str]:
    """What the program printed, under the command, and what was said on standard error."""
    done = subprocess.run(
        [COMMAND, sys.executable, str(program(home.folder, source))],
        env={
            "PATH": str(COMMAND.parent),
            "HOME": str(home.folder),
            "BURSAR_STATE_DIR": str(home.folder / "state"),
            "ANTHROPIC_BASE_URL": home.sandbox,
            "ANTHROPIC_API_KEY": "sk-ant-sandbox",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            **environ,
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found, done.stderr


def test_the_command_is_there() -> None:
    """Of the same environment as these tests, by the package that the development group names."""
    assert shutil.which(COMMAND) is not None


def test_calls_are_charged_on_one_span_each(tmp_path: Path) -> None:
    """Three ways of calling, three spans, and the costs on them are the bill."""
    with house(tmp_path) as home:
        found, said = run(home)
        names, costs = zip(*found["spans"], strict=True)
        assert names == ("anthropic.messages.create",) * 3
        assert sum(costs) == home.bill["nano_usd"]
        assert said == ""


def test_metrics_go_to_the_provider_that_the_command_sets_up(tmp_path: Path) -> None:
    """Cost to the nano-dollar, by the route that was found; a time for each call, and one for the stream."""
    with house(tmp_path) as home:
        found, said = run(home, METERED)
        assert found == {"cost": [[home.bill["nano_usd"], "desk:<module>"]], "calls": [2], "streams": [1]}
        assert said == ""


def test_each_call_has_one_span_where_the_sdk_makes_none(tmp_path: Path) -> None:
    """Then it is Bursar's."""
    with house(tmp_path) as home:
        found, _ = run(home, ANTHROPIC_OPEN_TELEMETRY="false")
        names, costs = zip(*found["spans"], strict=True)
        assert names == ("chat claude-haiku-5-5",) * 3
        assert sum(costs) == home.bill["nano_usd"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("BURSAR_AGENT", "nonsense", "'nonsense' is not an agent's address"),
        ("BURSAR_METRICS", "newest", "Write one or more of"),
        ("BURSAR_LABELS", "acme", "'acme' is not a label"),
    ],
)
def test_a_broken_setting_leaves_the_program_alone(tmp_path: Path, name: str, value: str, told: str) -> None:
    """It runs, its spans have no cost, and one line says why."""
    with house(tmp_path) as home:
        found, said = run(home, **{name: value})
        assert [cost for _, cost in found["spans"]] == [None, None, None]
        (line,) = said.splitlines()
        assert line.startswith("bursar: Claude calls of this process are not counted: ")
        assert told in line


def test_it_is_disabled_by_its_name(tmp_path: Path) -> None:
    """It is not even imported; the SDK's own spans go on."""
    with house(tmp_path) as home:
        found, said = run(home, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="bursar")
        assert found == {"spans": [["anthropic.messages.create", None]] * 3, "bursar": False}
        assert said == ""
