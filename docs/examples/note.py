from datetime import datetime

from casestore import Actor, CaseStore, NoteAdded
from projections import reports

call = {"id": "call-17", "ended": "2026-03-03T11:20:00+01:00", "said": "She can wait a week."}

with CaseStore.open() as store:  # CASESTORE_URL; or name it here
    note = NoteAdded(
        occurred_at=datetime.fromisoformat(call["ended"]),  # not now(): a retry tells the same
        actor=Actor(kind="agent", id="anna", team="north"),
        text=call["said"],
    )
    receipt = store.append("case:4711", note, key=call["id"])  # again: appends nothing
    print(store.case("4711").status, "at position", receipt.position)
    for row in reports.promises(store, customer="C-7").rows:
        print(row.case_id, row.kind, row.state, f"{row.due_at:%d %B %Y}")
