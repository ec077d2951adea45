"""Work, counted: how much a call does, whatever the machine and its other load."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from types import CodeType, FrameType
from typing import Any


def work(call: Callable[[], object]) -> int:
    """The number of bytecode instructions that a call runs."""
    if sys.version_info >= (3, 12):
        return _monitored(call)
    return _traced(call)


if sys.version_info >= (3, 12):
    # From 3.12 on, a trace function misses the instructions of a function that runs for the first
    # time.

    def _monitored(call: Callable[[], object]) -> int:
        steps = count()

        def step(_code: CodeType, _offset: int) -> None:
            next(steps)

        tool, instruction = sys.monitoring.PROFILER_ID, sys.monitoring.events.INSTRUCTION
        sys.monitoring.use_tool_id(tool, "work")
        sys.monitoring.register_callback(tool, instruction, step)
        sys.monitoring.set_events(tool, instruction)
        try:
            call()
        finally:
            sys.monitoring.set_events(tool, 0)
            sys.monitoring.free_tool_id(tool)
        return next(steps)


def _traced(call: Callable[[], object]) -> int:
    steps = count()

    def step(frame: FrameType, event: str, _: Any) -> Any:
        if event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        elif event == "opcode":
            next(steps)
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        call()
    finally:
        sys.settrace(before)
    return next(steps)
