"""Relays: what is recorded, sent to other systems at least once and in order.

    from casestore.relay import Relay, Webhook, find_secrets

    with CaseStore.open("sqlite:///complaints.db") as store:
        receiver = Webhook("https://crm.example/hook", find_secrets())
        Relay(store, "crm", receiver).run()

A service brings a receiver of its own where events shall go elsewhere: an object with a `target`
and `send`, as `Receiver` says.
"""

from typing import TYPE_CHECKING

from casestore.system.on_demand import on_demand

if TYPE_CHECKING:
    from casestore.relay.checkpoints import Parked
    from casestore.relay.lines import LinesFile
    from casestore.relay.message import Answer, Message, Receiver
    from casestore.relay.pauses import Pauses
    from casestore.relay.relay import Relay
    from casestore.relay.signing import find_secrets, parse_secrets
    from casestore.relay.status import RelayStatus, forget, parked_streams, relays, retry
    from casestore.relay.webhook import Webhook

_NAMES = {
    "casestore.relay.checkpoints": "Parked",
    "casestore.relay.lines": "LinesFile",
    "casestore.relay.message": "Answer Message Receiver",
    "casestore.relay.pauses": "Pauses",
    "casestore.relay.relay": "Relay",
    "casestore.relay.signing": "find_secrets parse_secrets",
    "casestore.relay.status": "RelayStatus forget parked_streams relays retry",
    "casestore.relay.webhook": "Webhook",
}

if not TYPE_CHECKING:  # a type checker would take any name to be here
    __getattr__, __dir__ = on_demand(__name__, _NAMES)

__all__ = [
    "Answer",
    "LinesFile",
    "Message",
    "Parked",
    "Pauses",
    "Receiver",
    "Relay",
    "RelayStatus",
    "Webhook",
    "find_secrets",
    "forget",
    "parked_streams",
    "parse_secrets",
    "relays",
    "retry",
]
