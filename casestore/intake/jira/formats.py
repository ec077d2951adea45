"""What Jira's REST API tells of an issue."""

from __future__ import annotations

from typing import Any

import msgspec

from casestore.intake.values import Native


class User(msgspec.Struct, rename="camel"):
    """A user."""

    account_id: str | None = None
    key: str | None = None
    name: str | None = None
    account_type: str | None = None

    @property
    def id(self) -> str | None:
        """What does not change: in the cloud the account's id, on a server the user's key."""
        return self.account_id or self.key or self.name


class Comment(msgspec.Struct, rename="camel"):
    """A comment."""

    id: Native
    body: Any = None
    author: User | None = None
    created: str | None = None
    updated: str | None = None
    jsd_public: bool | None = None
    visibility: Any = None


class Item(msgspec.Struct, rename="camel"):
    """A field that was changed."""

    field: str = ""
    from_: str | None = msgspec.field(name="from", default=None)
    from_string: str | None = None
    to: str | None = None
    to_string: str | None = None

    @property
    def before(self) -> str | None:
        """What it held."""
        return self.from_string or self.from_

    @property
    def after(self) -> str | None:
        """What it holds since."""
        return self.to_string or self.to


class Change(msgspec.Struct):
    """What was changed at one moment."""

    id: Native
    items: list[Item]
    author: User | None = None
    created: str | None = None


class Status(msgspec.Struct):
    """A status."""

    name: str = ""


class Comments(msgspec.Struct):
    """The comments that a page tells of an issue."""

    comments: list[msgspec.Raw] = []
    total: int | None = None


class Changelog(msgspec.Struct):
    """The changes that a page tells of an issue."""

    histories: list[msgspec.Raw] = []
    total: int | None = None


class Fields(msgspec.Struct):
    """An issue's fields, as far as every site has them."""

    created: str | None = None
    updated: str | None = None
    summary: str | None = None
    description: Any = None
    reporter: User | None = None
    creator: User | None = None
    status: Status | None = None
    resolutiondate: str | None = None
    comment: Comments | None = None


class Issue(msgspec.Struct):
    """An issue."""

    id: Native
    key: str
    fields: Fields
    changelog: Changelog | None = None


class FieldsAlone(msgspec.Struct):
    """An issue's fields, also those of a site's own."""

    fields: dict[str, msgspec.Raw] = {}
