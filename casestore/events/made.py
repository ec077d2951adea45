"""How an event is made: checked by pydantic, which is imported when the first one is.

To read what is stored, and for reports, nobody needs pydantic: msgspec decodes into the same
classes. So the classes are plain dataclasses, and what pydantic makes of one is made when somebody
first calls it. What it has to check stands as `Kept`, `Before` and `After` on a field's type, and
in `_check` of a class.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter
    from pydantic_core import CoreSchema, PydanticCustomError, SchemaSerializer, SchemaValidator


class Kept:
    """Marks a type whose values keep within limits, by pydantic's names for them: `Kept(ge=0)`."""

    def __init__(self, **limits: object) -> None:
        self.limits = limits

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return cast("CoreSchema", {**handler(source), **self.limits})


class Before:
    """Marks a type of which a function makes each value first, from what was given."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415  (only where an event is made)

        return core_schema.no_info_before_validator_function(self.function, handler(source))


class After:
    """Marks a type whose values, when they are of it, a function checks further."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415  (only where an event is made)

        return core_schema.no_info_after_validator_function(self.function, handler(source))


def with_check(_cls: type[Any], source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
    """The `__get_pydantic_core_schema__` of a class that has a `_check` of the whole."""
    from pydantic_core import core_schema  # noqa: PLC0415  (only where an event is made)

    def check(made: Any) -> Any:
        made._check()
        return made

    return core_schema.no_info_after_validator_function(check, handler(source))


def refused(kind: str, what: str) -> PydanticCustomError:
    """The error of a check: what is wrong, in words that follow the field's name."""
    from pydantic_core import PydanticCustomError  # noqa: PLC0415  (only where an event is made)

    return PydanticCustomError(cast(Any, kind), "{what}", {"what": what})


class Making(NamedTuple):
    """What pydantic makes of a class."""

    validator: SchemaValidator
    serializer: SchemaSerializer


_making: dict[type[Any], Making] = {}
_lock = RLock()


def making(cls: type[Any]) -> Making:
    """What pydantic makes of a class of events or values, made when it is first asked for."""
    if (made := _making.get(cls)) is None:
        with _lock:
            made = _making.get(cls) or _making.setdefault(cls, _made(cls))
    return made


def _made(cls: type[Any]) -> Making:
    from pydantic_core import (  # noqa: PLC0415  (only where an event is made)
        CoreConfig,
        SchemaSerializer,
        SchemaValidator,
    )

    schema = adapter(cls).core_schema
    # The adapter's own validator would show what was given, which may be personal.
    config = CoreConfig(title=cls.__name__, hide_input_in_errors=True, ser_json_inf_nan="strings")
    return Making(SchemaValidator(schema, config), SchemaSerializer(schema, config))


def adapter(of: Any) -> TypeAdapter[Any]:
    """pydantic's adapter of a type, made anew."""
    from pydantic import TypeAdapter  # noqa: PLC0415  (only where an event is made)

    return TypeAdapter(of)


def validating(cls: type[Any]) -> Callable[..., None]:
    """The `__init__` of a class: pydantic validates. The first time it makes a quicker one."""

    def first_init(self: object, /, *given: object, **fields: object) -> None:
        cls.__init__ = _lasting(cls)
        cls.__init__(self, *given, **fields)

    return first_init


def _lasting(cls: type[Any]) -> Callable[..., None]:
    from pydantic_core import ArgsKwargs  # noqa: PLC0415  (only where an event is made)

    validate = making(cls).validator.validate_python

    def __init__(self: object, /, *given: object, **fields: object) -> None:  # noqa: N807
        __tracebackhide__ = True
        validate(ArgsKwargs(given, fields), self_instance=self)

    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return __init__
