"""Texts of Jira's: plain ones, and documents in Atlassian Document Format.

Format: https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

from __future__ import annotations

from typing import Any

_BLOCKS = {"paragraph", "heading", "codeBlock", "rule", "mediaSingle", "tableRow", "blockCard"}
"""The nodes of a document that begin and end a line."""


def text_of(given: object) -> str | None:
    """A text as version 2 tells it, or as version 3 does."""
    if isinstance(given, str):
        return given or None
    return document_text(given) or None if isinstance(given, dict) else None


def document_text(document: object) -> str:
    """The plain text of a document in Atlassian Document Format, block by block."""
    parts: list[str] = []
    rest: list[object] = [document]
    while rest:
        node = rest.pop()
        if isinstance(node, str):
            parts.append(node)
        if not isinstance(node, dict):
            continue
        kind, inner = node.get("type"), node.get("content")
        parts.append(_leaf(node))
        if kind in _BLOCKS:
            rest.append("\n")
        if isinstance(inner, list):
            rest.extend(reversed(inner))
    return "".join(parts).strip()


def _leaf(node: dict[Any, Any]) -> str:
    """What a node says by itself: text, a line's end, a mention, an emoji, a link, a date."""
    if node.get("type") == "hardBreak":
        return "\n"
    attrs = node.get("attrs")
    attrs = attrs if isinstance(attrs, dict) else {}
    said = node.get("text") or attrs.get("text") or attrs.get("shortName") or attrs.get("url")
    return said if isinstance(said, str) else ""
