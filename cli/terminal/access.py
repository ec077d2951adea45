"""Noting in the access log who sees words, or destroys keys: see casestore.privacy.access_log."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from casestore.errors import CannotTell
from casestore.privacy.access_log import AccessLog, log_of


def access_log_of(url: str | None) -> Path:
    """The access log of a store. Raises CannotTell where it has no file to stand beside."""
    if (path := log_of(url)) is None:
        raise CannotTell(
            "a store on PostgreSQL has no file beside which to note who sees words: name the "
            "access log in CASESTORE_ACCESS_LOG"
        )
    return path


def note_access(
    url: str | None, *, store_id: str | None = None, customer_id: str | None = None
) -> None:
    """Note the command that is running, before it shows or does anything.

    Args:
        url: of the store.
        store_id: of the store, if it is known yet.
        customer_id: the customer that it is about. If left out, its parameters tell.

    Raises:
        CannotTell: the access log cannot be written, or none is named for a store on PostgreSQL.
    """
    ctx = click.get_current_context()
    path = access_log_of(url)
    about = _about(ctx.params) if customer_id is None else {"customer": customer_id}
    command = " ".join(ctx.command_path.split(" ")[1:])
    actor = ctx.params.get("actor") or os.environ.get("CASESTORE_ACTOR")
    try:
        AccessLog(path).note_command(command, actor=actor, store_id=store_id, **about)
    except OSError as error:
        raise CannotTell(
            f"this cannot be noted in the access log {path} ({error.strerror}), so nothing is "
            "shown or done; make it a file that you can write, or name another one in "
            "CASESTORE_ACCESS_LOG"
        ) from None


def _about(params: Mapping[str, Any]) -> dict[str, str]:
    """The case or customer that a command is about; nothing where it is about all."""
    if case_id := params.get("case_id"):
        kind, _, own_id = str(case_id).partition(":")  # a command on cases may take a customer too
        return {kind: own_id} if kind in ("case", "customer") and own_id else {"case": case_id}
    if customer_id := params.get("customer_id"):
        return {"customer": str(customer_id).removeprefix("customer:")}
    kind, _, own_id = str(params.get("stream")).partition(":")
    return {kind: own_id} if kind in ("case", "customer") else {}
