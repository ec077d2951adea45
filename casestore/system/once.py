"""A property that is computed when it is first read, and then kept with the object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801  (read as a decorator, like `property`)
    """`functools.cached_property` without its lock, which Python took up to 3.11.

    For objects of which very many are made, and which one thread has to itself. If two threads
    are first at the same time, both compute the value, and one of the two is kept.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.func = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, _owner: type | None = None) -> T:
        if instance is None:
            return self  # type: ignore[return-value]  # of the class, for help()
        value = instance.__dict__[self._name] = self.func(instance)
        return value
