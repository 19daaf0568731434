"""Claims about Slack's messages: they have everything, stay within Slack's limits, and ping nobody."""

from __future__ import annotations

from dataclasses import replace

from tests.agent.alerting.slackserver import refusal

from bursar.agent.alerting.message import Field, Listing, Message
from bursar.agent.alerting.slack import slack_body

PLAIN = Message('Budget "day" has reached 80%', ("8.00 of 10.00 USD are spent.", "Mind it."), {"step": "80%"})
FULL = replace(
    PLAIN,
    fields=(Field("Spent", "8.00 of 10.00 USD"), Field("Runs out", "2026-11-21 17:40 UTC")),
    listings=(Listing("Where it went", ("desk: 5.00 USD", "sort: 3.00 USD")),),
    footer="bursar budgets",
)
TEXT = 'Budget "day" has reached 80%. 8.00 of 10.00 USD are spent. Mind it.'


def test_a_plain_message() -> None:
    """Header and sentences; the text is for notifications."""
    assert slack_body(PLAIN) == {
        "text": TEXT,
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": 'Budget "day" has reached 80%', "emoji": False}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "8.00 of 10.00 USD are spent.\nMind it."}},
        ],
    }


def test_a_full_message() -> None:
    """Fields side by side, listings below, commands at the end, instead of sentences."""
    body = slack_body(FULL)
    assert body["text"] == TEXT
    assert body["blocks"][1:] == [
        {
            "type": "section",
            "fields": [
                {"type": "mrkdwn", "text": "*Spent*\n8.00 of 10.00 USD"},
                {"type": "mrkdwn", "text": "*Runs out*\n2026-11-21 17:40 UTC"},
            ],
        },
        {"type": "section", "text": {"type": "mrkdwn", "text": "*Where it went*\n• desk: 5.00 USD\n• sort: 3.00 USD"}},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "bursar budgets"}]},
    ]


def test_signs_of_slack() -> None:
    """What would ping a channel or make a link stands as it was written, and a sign is never cut in two."""
    long = "<!channel> & " + "&" * 3000
    body = slack_body(replace(FULL, headline="<!here>", listings=(Listing("x", (long,)),), footer="<a>"))
    assert body["text"].startswith("&lt;!here&gt;. ")
    section = body["blocks"][2]["text"]["text"]
    assert section.startswith("*x*\n• &lt;!channel&gt; &amp; &amp;")
    assert section.endswith("&amp;…")
    assert 2990 < len(section) <= 3000
    assert body["blocks"][3]["elements"][0]["text"] == "&lt;a&gt;"


def test_signs_count_as_they_are_written() -> None:
    """A thousand of them are a short text, and five thousand characters for Slack."""
    body = slack_body(replace(FULL, listings=(Listing("x", ("&" * 1000,)),)))
    section = body["blocks"][2]["text"]["text"]
    assert len(section) <= 3000
    assert section.endswith("&amp;…")


def test_limits() -> None:
    """However much there is to say, Slack takes it: by the rules that its documents give."""
    message = Message(
        headline="<h>" * 200,
        sentences=("&" * 5000,),
        data={},
        fields=tuple(Field("t<" * 300, "&" * 3000) for _ in range(30)),
        listings=tuple(Listing("t", ("<" * 4000,)) for _ in range(80)),
        footer=">" * 4000,
    )
    body = slack_body(message)
    assert refusal(body) is None
    assert len(body["blocks"]) == 50
    assert [len(block["fields"]) for block in body["blocks"] if "fields" in block] == [10]
    assert len(body["blocks"][0]["text"]["text"]) == 150
