"""Events of a customer's stream: facts, preferences, merges, erasures and legal holds."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, get_args

from casestore.events.base import (
    Actor,
    Channel,
    Code,
    Event,
    Id,
    Identity,
    Instant,
    Known,
    New,
    PersonalText,
    event,
    is_language,
)
from casestore.events.made import refused
from casestore.events.zones import zone


@event
class CustomerRegistered(Event):
    """The first event of every customer. After an erasure a customer may be registered again."""

    TOLD: ClassVar[str] = (
        "registered the customer[, {name}][, {contact}][, a customer since {since}]"
    )

    since: Instant | None = None
    """Since when they have been our customer."""
    name: PersonalText = None
    """Their name."""
    contact: PersonalText = None
    """How they can be reached."""


@event
class CustomerFactRecorded(Event):
    """Something we know of the customer, and until when we may rely on it."""

    TOLD: ClassVar[str] = "recorded {field}[, stale after {stale_after}][: {value}]"

    field: Code
    """Which fact, by its code, like residential_address: the same code as in
    InformationRequested."""
    stale_after: Instant | None = None
    """Until when we may rely on it. Left out, for good; past it, we may ask again."""
    value: PersonalText = None
    """The fact."""


Preference = Literal[
    "channel",
    "language",
    "timezone",
    "contact_hours",
    "form_of_address",
    "accessibility",
    "culture_note",
]
_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


def _check_preference(preference: str, value: str | None) -> str | None:
    """What is wrong with the value of a preference; None if nothing is."""
    if preference in ("form_of_address", "accessibility", "culture_note"):
        return "takes no value; put it into words" if value is not None else None
    if value is None:
        return "needs a value"
    if preference == "channel" and value not in get_args(Channel):
        return f"needs one of {', '.join(get_args(Channel))}"
    if preference == "contact_hours" and not _HOURS.fullmatch(value):
        return "needs hours like 09:00-17:30"
    if preference == "language" and not is_language(value):
        return "needs a BCP 47 language tag, like en or pt-BR"
    if preference == "timezone":
        try:
            zone(value)
        except ValueError:
            return "needs an IANA time zone, like Europe/Berlin"
    return None


@event
class PreferenceStated(Event):
    """How the customer wants to be treated."""

    TOLD: ClassVar[str] = "stated a preference: {preference}[ {value}][: {words}]"

    preference: Preference
    """What it is about."""
    value: Code | None = None
    """The preference itself, where it is a code: a channel, a language, a time zone, hours like
    09:00-17:30."""
    words: PersonalText = None
    """The preference in words. A form of address, a need or a note on culture has no value, only
    words."""

    def _check(self) -> None:
        if wrong := _check_preference(self.preference, self.value):
            raise refused("preference", f"{self.preference} {wrong}")


@event
class PreferenceWithdrawn(Event):
    """The customer took a preference back."""

    TOLD: ClassVar[str] = "withdrew a preference: {preference}[ {value}][: {words}]"

    preference: Preference
    """What they no longer ask for."""
    value: Code | None = None
    """What they had asked for."""
    words: PersonalText = None
    """What they said."""


@event
class CustomerMerged(Event):
    """This customer is somebody we already knew. A mapping: acyclic and reversible."""

    TOLD: ClassVar[str] = "merged the customer into {into}"

    into: Annotated[Id, Identity()]
    """The customer as whom they count from now on."""


@event
class CustomerUnmerged(Event):
    """They were two people after all."""

    TOLD: ClassVar[str] = "took the customer out of {out_of} again"

    out_of: Annotated[Id, Identity()]
    """The customer as whom they had counted."""


@event
class ErasureRequested(Event):
    """Somebody asked that the customer be forgotten."""

    TOLD: ClassVar[str] = "asked for erasure, on the basis of {basis}[, by {requested_by}]"

    basis: Code
    """On which ground, by a code, like gdpr-17."""
    requested_by: Actor | None = None
    """Who asked, where that is not the actor."""


@event
class PersonalDataErased(Event):
    """The customer's data key was destroyed: their words can no longer be read by anybody."""

    TOLD: ClassVar[str] = "erased the customer's personal data, on the basis of {basis}"

    basis: Code
    """On which ground, by a code, like gdpr-17."""


@event
class HoldPlaced(Event):
    """A legal hold: while it stands, erasure is refused."""

    TOLD: ClassVar[str] = "placed the hold {hold_id}: {reason}"

    hold_id: Annotated[Id, New("hold")]
    """A new id for the hold."""
    reason: Code
    """Why words must be kept, by a code, like litigation."""


@event
class HoldReleased(Event):
    """A legal hold ended."""

    TOLD: ClassVar[str] = "released the hold {hold_id}: {reason}"

    hold_id: Annotated[Id, Known("hold")]
    """The hold that ended."""
    reason: Code
    """Why it ended, by a code."""
