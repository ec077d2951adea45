"""casestore: an event-sourced case-history engine for customer complaints.

with CaseStore.open("sqlite:///complaints.db") as store:
    store.append("case:4711", PromiseMade(...), key="crm-99812")
"""

from casestore.append.request import Receipt, Retry
from casestore.errors import (
    CaseStoreError,
    ConcurrencyConflict,
    CustomerErased,
    EventRefused,
    IdempotencyConflict,
    InvalidEvent,
    InvalidStream,
    KeyFileError,
    StoreDamaged,
    StoreExists,
    StoreNotFound,
    StoreUnavailable,
    StreamNotFound,
)
from casestore.events import *  # noqa: F403  (the vocabulary is the interface)
from casestore.events import __all__ as _vocabulary
from casestore.store import CaseStore
from casestore.streams.case import Case
from casestore.streams.customer import Customer
from casestore.streams.history import Erased, History, Recorded, Withheld

__all__ = [  # noqa: PLE0604  (the vocabulary's own list is in it)
    "Case",
    "CaseStore",
    "CaseStoreError",
    "ConcurrencyConflict",
    "Customer",
    "CustomerErased",
    "Erased",
    "EventRefused",
    "History",
    "IdempotencyConflict",
    "InvalidEvent",
    "InvalidStream",
    "KeyFileError",
    "Receipt",
    "Recorded",
    "Retry",
    "StoreDamaged",
    "StoreExists",
    "StoreNotFound",
    "StoreUnavailable",
    "StreamNotFound",
    "Withheld",
    *_vocabulary,
]
