"""Prompts made by hand for tests of what they share."""

from __future__ import annotations

from tests.agent.advice.caching.made import MINUTE, UNTIL, Desk

from bursar.agent.advice.caching.prefixtree import PrefixTree
from bursar.agent.advice.caching.survey import named
from bursar.agent.dashboard.prefixes import Sample
from bursar.agent.ledger.printbook import Node


def samples(*prompts: tuple[str, ...]) -> list[Sample]:
    """A minute apart, of blocks as `made.Desk` takes them, with their marks by name."""
    desk = Desk()
    tree = PrefixTree(desk.nodes.__getitem__)
    found: list[Sample] = []
    for number, blocks in enumerate(prompts):
        prompt = desk.add(UNTIL - (len(prompts) - number) * MINUTE, *blocks)
        path: list[Node] = []
        at = prompt.node
        while at:
            path.append(desk.nodes[at])
            at = desk.nodes[at].parent
        found.append(Sample(prompt, tuple(reversed(path)), tuple(named(prompt, tree.seen(prompt)))))
    return found
