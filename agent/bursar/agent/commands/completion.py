"""`bursar completion`: how does a shell learn to complete our commands?"""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

VARIABLE = "_BURSAR_COMPLETE"
_WRITTEN_INTO = {
    "bash": '~/.bashrc: eval "$(bursar completion bash)"',
    "zsh": '~/.zshrc: eval "$(bursar completion zsh)"',
    "fish": "~/.config/fish/completions/bursar.fish: its output",
}


class ColonBash(BashComplete):
    """
    Bash, for which a colon ends a word: `desk:answer` is three, and only the last of them is replaced.

    Routes that nobody named have one, as have labels.
    """

    _before = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the present one, and what of this is written."""
        at = int(os.environ["COMP_CWORD"])
        words = split_arg_string(os.environ["COMP_WORDS"])
        whole = joined([*words, ""][: at + 1])
        self._before = whole[-1][: whole[-1].rfind(":") + 1]
        return whole[1:-1], whole[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """As click writes it, without what stands before the last colon."""
        shown = item.value.removeprefix(self._before) if isinstance(item.value, str) else item.value
        return super().format_completion(CompletionItem(shown, item.type, item.help))


def joined(words: list[str]) -> list[str]:
    """The words as they were written, where bash has cut them at colons."""
    whole: list[str] = []
    open_ = False
    for word in words:
        if whole and (open_ or word.startswith(":")):
            whole[-1] += word
        else:
            whole.append(word)
        open_ = word.endswith(":")
    return whole


_KINDS: dict[str, type[ShellComplete]] = {"bash": ColonBash, "zsh": ZshComplete, "fish": FishComplete}


def learn() -> None:
    """Answer bash as it needs it, from now on."""
    add_completion_class(ColonBash, "bash")


@click.command("completion")
@click.argument("shell", type=click.Choice(sorted(_WRITTEN_INTO)))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options, routes, budgets, models and report keys."""
    click.echo(f"# For {_WRITTEN_INTO[shell]}")
    click.echo(_KINDS[shell](context.find_root().command, {}, "bursar", VARIABLE).source())
