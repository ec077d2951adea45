"""The doctor's look at relays: how far behind they are, and which of them do not go on."""

from __future__ import annotations

from collections.abc import Iterator

from casestore.doctor.finding import DoctorFinding
from casestore.errors import StoreUnavailable
from casestore.relay.status import RelayStatus, relays
from casestore.store import CaseStore
from casestore.streams.wording import counted


def find(store: CaseStore) -> Iterator[DoctorFinding]:
    """Tell each relay's lag; a warning where it fails, has stopped, or has put streams aside."""
    try:
        found = relays(store)
    except StoreUnavailable as error:
        do = "ask the owner of the store for the right to read it"
        yield DoctorFinding("warning", "relays", "how far they are", f"cannot be read: {error}", do)
        return
    for each in found:
        what = f"is at position {each.position}, {counted(each.lag_events, 'event')} behind"
        if each.state == "stopped":
            what += f", and has stopped: {each.last_error}"
        elif each.state == "history changed":
            what += ", and the store does not hold the event that it sent last: it was restored"
        elif each.attempts:
            what += f", after {counted(each.attempts, 'attempt')}: {each.last_error}"
        elif each.last_error:
            what += f", and has ended: {each.last_error}"
        if each.parked:
            what += f"; it has put {counted(each.parked, 'stream')} aside"
        do = _do(each)
        yield DoctorFinding("warning" if do else "ok", "relays", each.relay, what, do)


def _do(each: RelayStatus) -> str:
    if each.state == "history changed":
        return (
            f"find out which events its receiver has, run `casestore relay forget {each.relay}`, "
            "and begin with --from-position"
        )
    if each.state == "failing" and not each.attempts:
        return f"mend that, and start the relay {each.relay} again"
    if each.state != "delivering" or each.parked:
        return f"look why its receiver does not take it, then `casestore relay retry {each.relay}`"
    return ""
