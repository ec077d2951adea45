"""What has become of rows: which came, went and changed, and in which fields."""

from __future__ import annotations

from projections.query.row_changes import Change, changed_fields, identity, row_changes
from projections.reports.every import REPORTS


def test_rows_that_nothing_tells_apart_are_compared_in_order() -> None:
    one, two = {"x": 1}, {"x": 1}
    assert list(row_changes([one], [one, two])) == [Change("new", two)]
    assert list(row_changes([one, two], [one])) == [Change("gone", two)]


def test_a_row_in_which_only_time_has_passed_has_not_changed() -> None:
    older, newer = ({"case_id": "a", "waiting_s": n, "unanswered": 1} for n in (1, 2))
    assert list(row_changes([older], [newer])) == []
    assert list(row_changes(None, [newer])) == [Change("present", newer)]


def test_a_row_is_known_by_its_ids_whatever_else_it_says() -> None:
    was = {"case_id": "a", "promise_id": "p", "state": "open", "late_by_s": None}
    now = {**was, "state": "broken", "late_by_s": 9}
    assert list(row_changes([was], [now])) == [Change("changed", now, was)]
    assert list(changed_fields(was, now)) == ["state"]


def test_gestures_and_remedies_of_one_id_are_two() -> None:
    gesture = {"case_id": "a", "ledger": "goodwill", "kind": "refund", "id": "1"}
    remedy = {**gesture, "ledger": "remedy"}
    other = {**gesture, "kind": "voucher"}  # corrected: it is the same gesture
    assert [each.kind for each in row_changes([gesture, remedy], [other, remedy])] == ["changed"]


def test_every_report_says_which_row_is_which() -> None:
    """Else a row of it could only come and go."""
    for report in REPORTS:
        fields = report.line.__struct_fields__
        assert len(identity(fields)) < len(fields), report.name
