"""The policy stream: the rules that the house judges itself by."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, JsonValue, TypeAdapter
from pydantic_core import PydanticCustomError

from casestore.events.base import Code, Event, Instant, event

_JSON = TypeAdapter(dict[str, JsonValue])


def _document(given: dict[str, Any]) -> dict[str, Any]:
    """Plain JSON without null, which stored state leaves out (and TOML does not have)."""

    def has_null(part: Any) -> bool:
        if isinstance(part, dict):
            return any(map(has_null, part.values()))
        return any(map(has_null, part)) if isinstance(part, list) else part is None

    document = _JSON.validate_python(given)
    if has_null(document):
        raise PydanticCustomError("document", "has a null; leave out what is not set")
    return document


@event
class PolicyAdopted(Event):
    """A policy comes into force. It judges what happens from `effective_from` on."""

    TOLD: ClassVar[str] = "adopted the policy {name}, in force from {effective_from}"

    name: Code
    effective_from: Instant
    policy: Annotated[dict[str, Any], AfterValidator(_document)]
