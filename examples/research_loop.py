"""Several questions researched side by side, each with a tool in a loop: a threaded program on the Anthropic SDK."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import anthropic
from anthropic.types import Message, MessageParam, ToolParam

QUESTIONS = ("Who built the first lighthouse?", "What does a lighthouse lens weigh?", "When did keepers leave?")
SHELF = {
    "lighthouse": "The light on the island was lit in 1822 and carried a lens of about 1,500 kilograms.",
    "keepers": "The last keeper rowed ashore in 1971; the lamp has minded itself since then.",
}
SEARCH: ToolParam = {
    "name": "search_shelf",
    "description": "Look a word up on the shelf.",
    "input_schema": {
        "type": "object",
        "properties": {"word": {"type": "string", "enum": list(SHELF)}},
        "required": ["word"],
    },
}
MOST_ROUNDS = 4


def plan(client: anthropic.Anthropic, question: str) -> str:
    """What to look for."""
    message = client.messages.create(
        model="claude-sonnet-5-5",
        max_tokens=150,
        messages=[{"role": "user", "content": f"Which words should be looked up to answer: {question}"}],
    )
    return text_of(message)


def research(client: anthropic.Anthropic, question: str, notes: str) -> str:
    """Look things up until the model has enough; the first round must use the tool."""
    turns: list[MessageParam] = [{"role": "user", "content": f"{question}\nNotes:\n{notes}"}]
    for round_ in range(MOST_ROUNDS):
        message = client.messages.create(
            model="claude-sonnet-5",  # 5.5 cannot be made to use a tool
            max_tokens=400,
            tools=[SEARCH],
            tool_choice={"type": "any"} if round_ == 0 else {"type": "auto"},
            messages=turns,
        )
        if message.stop_reason != "tool_use":
            return text_of(message)
        turns.append({"role": "assistant", "content": message.content})
        turns.append(look_up(message))
    return "The shelf has no answer."


def look_up(message: Message) -> MessageParam:
    """The results of every tool call of a message, as the next turn."""
    found = "\n".join(SHELF.values())
    return {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": block.id, "content": found}
            for block in message.content
            if block.type == "tool_use"
        ],
    }


def edit(client: anthropic.Anthropic, findings: str) -> str:
    """The findings as one readable paragraph."""
    with client.messages.stream(
        model="claude-haiku-5-5",
        max_tokens=250,
        messages=[{"role": "user", "content": f"Make one readable paragraph of:\n{findings}"}],
    ) as stream:
        return stream.get_final_text()


def text_of(message: Message) -> str:
    """The words of an answer."""
    return "".join(block.text for block in message.content if block.type == "text")


def main() -> None:
    """Research every question, then edit what was found."""
    client = anthropic.Anthropic()

    def answer(question: str) -> str:
        return research(client, question, plan(client, question))

    with ThreadPoolExecutor(max_workers=3) as pool:
        findings = list(pool.map(answer, QUESTIONS))
    print(edit(client, "\n\n".join(findings)))


if __name__ == "__main__":
    main()
