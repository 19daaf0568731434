"""Which forms of a request does each model take? By hand, from Anthropic's pages on each feature and model."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Forms:
    """What one model takes beside prices and limits."""

    thinking: frozenset[str]  # values of `thinking.type`
    thinks_unasked: bool  # what a request without `thinking` gets
    quiet_up_to: str | None  # thinking may be off at this effort or below; None: at any
    efforts: tuple[str, ...]
    sampling: str  # free: anything; one: temperature or top_p; none: defaults alone
    prefill: bool
    forced: bool  # tool_choice `any` or `tool`
    system_turns: bool
    schemas: bool  # structured outputs, strict tools
    code_calls: bool  # programmatic tool calling
    compacts: bool
    together: bool  # prompt and max_tokens must fit the window together
    tools: re.Pattern[str]


# Thinking: a(daptive) e(nabled) d(isabled) b(etween_tools); + thinks unasked; ! off only up to high effort.
# Effort: its levels' count, 5 with xhigh, 4 without it, 3 without max too, 0 none. Sampling: free, one, none.
# Then yes or no: prefill, forced tools, system turns, structured outputs, code calls tools, compaction.
_FORMS = """
claude-fable-5-2          a+   5 none - - y y y -
claude-mythos-5-2         a+   5 none - - y y y -
claude-fable-5-1          a+   5 none - - y y y -
claude-mythos-5-1         a+   5 none - - y y y -
claude-fable-5            a+   5 none - y y y y y
claude-mythos-5           a+   5 none - y y y y y
claude-opus-5-5           a+   5 none - - y y y y
claude-sonnet-5-5         ab+! 5 none - - y y y y
claude-haiku-5-5          ad+! 5 none - y y y - -
claude-opus-5             ad+! 5 none - y y y y y
claude-sonnet-5           ad+  5 none - y - y y y
claude-opus-4-8           ad   5 none - y y y y y
claude-opus-4-7           ad   5 none - y - y y y
claude-opus-4-6           aed  4 one  - y - y y y
claude-sonnet-4-6         aed  4 one  - y - y y y
claude-opus-4-5-20251101  ed   3 one  y y - y y -
claude-sonnet-4-5-20250929 ed  0 one  y y - y y -
claude-haiku-4-5-20251001 ed   0 one  y y - y - -
claude-opus-4-1-20250805  ed   0 one  y y - - - -
claude-opus-4-20250514    ed   0 free y y - - - -
claude-sonnet-4-20250514  ed   0 free y y - - - -
claude-3-7-sonnet-20250219 ed  0 free y y - - - -
claude-3-5-haiku-20241022 d    0 free y y - - - -
claude-3-haiku-20240307   d    0 free y y - - - -
"""
_LETTERS = {"a": "adaptive", "e": "enabled", "d": "disabled", "b": "between_tools"}
_LEVELS = {"5": EFFORTS, "4": ("low", "medium", "high", "max"), "3": ("low", "medium", "high"), "0": ()}

# Tools by the oldest generation that takes them; what is newer than a model, or only for older ones, it refuses.
_CLASSIC = r"bash_20250124|text_editor_20250728|web_search_20250305|web_fetch_20250910"
_SERVER = (
    r"code_execution_20(250825|260120|260521)|tool_search_tool_(regex|bm25)(_20251119)?|memory_20250818"
    r"|web_search_20(260209|260318)|web_fetch_20(260209|260309|260318)"
)
_TOOLSETS = r"(computer|browser)_toolset_20260801"
_TOOLS = {
    r"claude-(opus|sonnet|haiku)-5-5": f"{_CLASSIC}|{_SERVER}|{_TOOLSETS}",
    r"claude-(fable|mythos)-5-[12]": f"{_CLASSIC}|{_SERVER}|{_TOOLSETS}",
    r"claude-(fable|mythos|opus|sonnet)-5|claude-opus-4-8": f"{_CLASSIC}|{_SERVER}|{_TOOLSETS}|computer_20251124",
    r"claude-(opus-4-[67]|sonnet-4-6|opus-4-5-\d+)": f"{_CLASSIC}|{_SERVER}|computer_20251124",
    r"claude-(sonnet|haiku)-4-5-\d+": f"{_CLASSIC}|{_SERVER}|computer_20250124",
    r"claude-(opus|sonnet)-4(-1)?-\d{8}": f"{_CLASSIC}|computer_20250124",
    r"claude-3-7-sonnet-\d+": r"bash_20250124|text_editor_20250124|web_search_20250305|computer_20250124",
    r"claude-3-.*": r"(?!)",
}

_FAMILIES_OF_4_5 = re.compile(r"claude-(3|opus-4-1|opus-4-2|sonnet-4-2)")


def _forms(line: str) -> Forms:
    name, thinking, levels, sampling, *rest = line.split()
    prefill, forced, system, schemas, code, compacts = (mark == "y" for mark in rest)
    return Forms(
        thinking=frozenset(_LETTERS[letter] for letter in thinking.strip("+!")),
        thinks_unasked="+" in thinking,
        quiet_up_to="high" if "!" in thinking else None,
        efforts=_LEVELS[levels],
        sampling=sampling,
        prefill=prefill,
        forced=forced,
        system_turns=system,
        schemas=schemas,
        code_calls=code,
        compacts=compacts,
        together=_FAMILIES_OF_4_5.match(name) is not None,
        tools=re.compile(next(tools for models, tools in _TOOLS.items() if re.fullmatch(models, name))),
    )


FORMS: Mapping[str, Forms] = {line.split()[0]: _forms(line) for line in _FORMS.strip().splitlines()}

# Betas that the API knows; those with models are refused by others, the rest does nothing where it means nothing.
BETAS: Mapping[str, frozenset[str] | None] = {
    **dict.fromkeys(
        (
            *("prompt-caching-2024-07-31", "extended-cache-ttl-2025-04-11", "pdfs-2024-09-25", "files-api-2025-04-14"),
            *("token-counting-2024-11-01", "message-batches-2024-09-24", "output-128k-2025-02-19"),
            *("structured-outputs-2025-11-13", "model-context-window-exceeded-2025-08-26"),
            *("cache-diagnosis-2026-04-07", "fine-grained-tool-streaming-2025-05-14", "code-execution-2025-05-22"),
            *("computer-use-2025-01-24", "computer-use-2025-11-24", "context-1m-2025-08-07"),
            *("interleaved-thinking-2025-05-14", "thinking-binding-controls-2026-08-01", "output-300k-2026-03-24"),
            *("context-management-2025-06-27", "compact-2026-01-12", "token-efficient-tools-2025-02-19"),
            *("user-profiles-2026-03-24", "user-profiles-2026-08-18", "user-profiles-2026-09-04"),
            *("user-profiles-billing-2026-10-01", "mcp-client-2025-11-20", "mcp-client-2025-04-04"),
            *("skills-2025-10-02", "advisor-tool-2026-03-01", "task-budgets-2026-03-13"),
            *("thinking-token-count-2026-05-13", "thinking-display-updates-2026-08-18"),
            *("server-side-fallback-2026-06-01", "server-side-fallback-2026-07-01", "fallback-credit-2026-06-01"),
            *("fallback-credit-2026-07-01", "message-threads-2026-08-12", "compact-2026-09-04"),
        ),
        None,
    ),
    "fast-mode-2026-02-01": frozenset(
        (
            "claude-fable-5-2",
            "claude-opus-5-5",
            "claude-opus-5",
            "claude-opus-4-8",
            "claude-opus-4-7",
            "claude-opus-4-6",
        )
    ),
    **dict.fromkeys(
        ("mid-conversation-tool-changes-2026-07-01", "mid-conversation-system-clear-at-2026-08-21"),
        frozenset(name for name, forms in FORMS.items() if forms.system_turns),
    ),
    "mid-conversation-output-config-2026-07-01": frozenset(
        ("claude-fable-5-1", "claude-opus-5", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
    ),
}
