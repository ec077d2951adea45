"""The codec: it encodes events to stored bytes, and decodes them.

Topic: the type's name, like `PromiseMade`. A later schema is `PromiseMade@2`, with an upcaster from
each older schema. State: UTF-8 JSON in the order of the fields, without None and without Personal
fields. Personal part: UTF-8 JSON of the Personal fields that are not None, before it is sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from casestore.errors import InvalidEvent, StoreDamaged, quoted
from casestore.events import VOCABULARY, Event
from casestore.events.made import making
from casestore.events.markers import personal_fields
from casestore.streams.history import EARLIEST, LATEST, Privacy, Recorded
from casestore.system.decoders import converted, decoder

if TYPE_CHECKING:
    from pydantic import ValidationError


def topic(cls: type[Event]) -> str:
    """The name under which events of a class are stored."""
    return cls.__name__ if cls.SCHEMA == 1 else f"{cls.__name__}@{cls.SCHEMA}"


def one_line(name: str, error: ValidationError) -> str:
    """What pydantic found, in one line and without the input (which may be personal)."""
    found = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join([name, *(str(part) for part in each["loc"])])
        where = where if where.isprintable() and len(where) <= 200 else quoted(where)
        what = each["msg"]
        if each["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            what = "unknown field; leave it out or correct its name"
        elif each["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
            what = "is missing"
        elif each["type"] == "string_unicode":
            what = "has a lone surrogate, which no text can hold"
        elif each["type"] == "string_pattern_mismatch":
            what = "has a character that is not allowed there, or is of another form"
        elif what.startswith("Input should be"):
            what = "should be" + what.removeprefix("Input should be")
        found.append(f"{where} {what}".replace("\n", " "))
    shown = "; ".join(found[:3])
    return shown if len(found) <= 3 else f"{shown}; and {len(found) - 3} more"


Decode = Callable[[bytes], Event]


class _Encoders(dict[type[Event], tuple[str, Any, set[str]]]):
    """By class the topic, the encoder and the Personal fields, made when first asked for."""

    def __init__(self, classes: Iterable[type[Event]]) -> None:
        self._classes = frozenset(classes)

    def __missing__(self, cls: type[Event]) -> tuple[str, Any, set[str]]:
        if cls not in self._classes:
            raise KeyError(cls)
        to_json = making(cls).serializer.to_json
        return self.setdefault(cls, (topic(cls), to_json, set(personal_fields(cls))))


class _Decoders(dict[str, Decode]):
    """By topic the decoder, made when first asked for."""

    def __init__(self, classes: Mapping[str, type[Event]]) -> None:
        self._classes = classes

    def __missing__(self, name: str) -> Decode:
        base = name.partition("@")[0]
        cls = self._classes.get(base)
        if cls is not None and topic(cls) == name:
            return self.setdefault(name, decoder(cls))
        for older in range(1, 1 if cls is None else cls.SCHEMA):
            if cls is not None and name == (base if older == 1 else f"{base}@{older}"):
                return self.setdefault(name, _upcasting_decoder(cls, older))
        raise KeyError(name)


class Codec:
    """Encodes and decodes the events of a vocabulary.

    Args:
        events: the event classes, each with `SCHEMA` and `UPCASTS`.
    """

    def __init__(self, events: Iterable[type[Event]] = VOCABULARY) -> None:
        self.classes: dict[str, type[Event]] = {cls.__name__: cls for cls in events}
        self._encoders = _Encoders(self.classes.values())
        self.decoders = _Decoders(self.classes)

    def encode(self, event: Event) -> tuple[str, bytes]:
        """The topic and the state of an event, without its Personal fields.

        Raises InvalidEvent.
        """
        try:
            name, to_json, personal = self._encoders[type(event)]
        except KeyError:
            raise InvalidEvent(
                f"{type(event).__name__} is not an event of the vocabulary; "
                "`casestore events` lists them"
            ) from None
        try:
            state: bytes = to_json(event, exclude_none=True, exclude=personal)
        except (ValueError, TypeError):  # raised by pydantic; its text would show the value
            raise InvalidEvent(
                f"{type(event).__name__} holds what JSON cannot, like a lone surrogate in a text"
            ) from None
        return name, state

    def personal(self, event: Event) -> dict[str, str]:
        """The Personal fields of an event that are not None, by name."""
        names = personal_fields(type(event))
        return {name: text for name in names if (text := getattr(event, name)) is not None}

    def decode(self, name: str, state: bytes) -> Event:
        """Decode a stored state. Raises StoreDamaged where it does not fit its topic."""
        try:
            return self.decoders[name](state)
        except KeyError:
            raise StoreDamaged(
                f"the stored type {quoted(name)} is not known to this version of casestore; "
                "it was written by a newer one, or altered: upgrade, or run `casestore doctor`"
            ) from None
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            # The text names at most a field and a value of a fixed set: nothing personal.
            why = str(error)[:200]
            raise StoreDamaged(f"a stored {name} does not fit its type: {why}") from None

    def recorded(self, rows: Iterable[Sequence[Any]]) -> Iterator[Recorded]:
        """The events of rows, without personal text. Raises StoreDamaged."""
        decoders = self.decoders
        for position, stream, version, name, state, personal, customer, uid, at, meta in rows:
            try:  # reading a store spends most of its time here, so decoding is the only call
                event = decoders[name](state)
            except (KeyError, msgspec.DecodeError, ValueError, TypeError):
                event = self.decode(name, state)  # says what is wrong with it
            numbers = type(version) is int and type(at) is int and EARLIEST <= at <= LATEST
            if not numbers or type(stream) is not str:
                raise StoreDamaged(
                    f"what stands at position {position} is not as casestore writes events; run "
                    "`casestore doctor`"
                )
            privacy: Privacy | None = None if personal is None else "withheld"
            yield Recorded(
                event,
                stream,
                version,
                position,
                uid,
                customer,
                at,
                meta,
                personal,
                privacy,
            )

    def reveal(self, name: str, state: bytes, personal: dict[str, str]) -> Event:
        """Decode a stored state together with its Personal fields."""
        cls = self.classes.get(name.partition("@")[0])
        if cls is not None and topic(cls) == name:
            event = self.decode(name, state)
            for field, text in personal.items():
                object.__setattr__(event, field, text)  # nobody else has this new event yet
            return event
        data = msgspec.json.decode(state)
        return self.decode(name, msgspec.json.encode(data | personal))

    def validate_json(self, name: str, data: bytes | str) -> Event:
        """Make an event from its type's name and its data as JSON. pydantic validates all of it.

        Raises InvalidEvent: its text is one line and does not repeat the data.
        """
        from pydantic import ValidationError  # noqa: PLC0415  (only where an event is made)

        cls = self.classes.get(name)
        if cls is None:
            raise InvalidEvent(f"unknown event type {quoted(name)}; `casestore events` lists them")
        try:
            return cast(Event, making(cls).validator.validate_json(data, strict=True))
        except ValidationError as error:
            raise InvalidEvent(one_line(name, error)) from None


def _upcasting_decoder(cls: type[Event], schema: int) -> Decode:
    def decode(state: bytes) -> Event:
        data: dict[str, Any] = msgspec.json.decode(state)
        for step in range(schema, cls.SCHEMA):
            data = cls.UPCASTS[step](data)
        return converted(data, cls)

    return decode
