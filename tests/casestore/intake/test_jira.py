"""Jira's issues: searches with their changelog, comments, and documents as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.intake import LeftOut, Options, read
from casestore.intake.jira import events
from casestore.intake.jira.texts import document_text
from tests.support.helpdesks import imported, story, told, written

KIM = {"accountId": "5b10:kim", "displayName": "Kim", "emailAddress": "kim@example.com"}
ANNA = {"accountId": "5b10:anna", "displayName": "Anna"}
CREATED = "2026-03-02T10:00:00.000+0100"


def issue(*histories: dict[str, Any], key: str = "HELP-1", **fields: Any) -> dict[str, Any]:
    return {
        "id": key.replace("HELP-", "100"),
        "key": key,
        "fields": {
            "summary": "Kettle",
            "description": "It leaks",
            "created": CREATED,
            "updated": "2026-03-09T10:00:00.000+0100",
            "reporter": KIM,
            "creator": KIM,
            "status": {"name": "Open"},
            "issuetype": {"name": "Complaint"},
        }
        | fields,
        "changelog": {"histories": list(histories), "total": len(histories)},
    }


def change(number: int, field: str, before: str | None, after: str | None) -> dict[str, Any]:
    return {
        "id": str(number),
        "author": ANNA,
        "created": f"2026-03-{number:02}T10:00:00.000+0100",
        "items": [{"field": field, "fromString": before, "toString": after, "to": after}],
    }


def comment(number: int, author: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    at = f"2026-03-{number:02}T09:00:00.000+0100"
    return {
        "id": str(number),
        "author": author,
        "body": f"said {number}",
        "created": at,
        "updated": at,
    } | more


def comments(*given: dict[str, Any]) -> dict[str, Any]:
    return {"comments": list(given), "total": len(given)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as made:
        yield made


@pytest.fixture
def exports(data_dir: Path) -> Path:
    return data_dir / "exports" / "jira"


# --- the recording ------------------------------------------------------------------------------


def test_the_recording_is_told_as_it_was_counted(data_dir: Path, exports: Path) -> None:
    expected = json.loads((data_dir / "exports" / "EXPECTED.json").read_text())["jira"]
    given = story("jira", exports)
    assert given.count() == {
        "CaseOpened": expected["issues"],
        "CaseClosed": expected["to Done"],
        "NoteAdded": expected["all changed fields"] - expected["to Done"],
    }
    assert given.left_out == []


def test_the_recording_imports_twice(store: CaseStore, exports: Path) -> None:
    assert imported(store, "jira", exports).imported.appended == 57
    again = imported(store, "jira", exports)
    assert (again.imported.appended, again.kept_count) == (0, 0)


# --- issues -------------------------------------------------------------------------------------


def test_an_issue_opens_a_case_of_its_reporter(tmp_path: Path) -> None:
    page = {"startAt": 0, "total": 1, "issues": [issue()]}
    given = told("jira", tmp_path, page, fields={"issuetype": "category"})
    assert given.types("case:jira-a-HELP-1") == ["CaseOpened", "MessageReceived"]
    opened = given.one("CaseOpened")
    assert opened["customer_id"] == "jira-a-5b10:kim"
    assert (opened["subject"], opened["category"]) == ("Kettle", "Complaint")
    assert given.one("MessageReceived")["text"] == "It leaks"
    assert given.left_out == []


@pytest.mark.parametrize(
    ("reporter", "customer"),
    [
        ({"key": "JIRAUSER1", "name": "kim"}, "jira-a-JIRAUSER1"),
        ({"name": "kim"}, "jira-a-kim"),
        (None, "jira-a-reporter of HELP-1"),
    ],
)
def test_a_server_names_its_users_otherwise(
    tmp_path: Path, reporter: dict[str, str] | None, customer: str
) -> None:
    given = told("jira", tmp_path, issue(reporter=reporter))
    assert given.one("CaseOpened")["customer_id"] == customer


def test_an_address_as_a_login_is_in_no_id(tmp_path: Path) -> None:
    login = {"name": "kim@example.com"}
    given = told(
        "jira",
        tmp_path,
        issue(change(3, "assignee", None, "anna@example.com"), reporter=login, creator=login),
    )
    for each in given.lines:
        assert "@" not in each.stream + each.key
    assert "@" not in given.one("CaseOpened")["customer_id"]
    assert "@" not in given.one("CaseAssigned")["agent"]


def test_the_first_words_stay_when_they_are_edited(tmp_path: Path) -> None:
    edited = [
        change(3, "description", "It leaks", "It drips"),
        change(4, "summary", "Kettle", "Pot"),
    ]
    given = told("jira", tmp_path, issue(*edited, description="It drips", summary="Pot"))
    assert given.one("MessageReceived")["text"] == "It leaks"
    assert given.one("CaseOpened")["subject"] == "Kettle"


def test_an_issue_keeps_its_case_when_it_moves(tmp_path: Path) -> None:
    moved = issue(change(3, "Key", "HELP-1", "SALES-9"))
    moved["key"] = "SALES-9"
    given = told("jira", tmp_path, moved)
    assert {each.stream for each in given.lines} == {"case:jira-a-HELP-1"}


# --- statuses -----------------------------------------------------------------------------------


def test_statuses_close_and_reopen(store: CaseStore, tmp_path: Path) -> None:
    story_of = [
        change(3, "status", "Open", "In Progress"),
        change(4, "status", "In Progress", "Done"),
        change(5, "status", "Done", "Closed"),
        change(6, "status", "Closed", "Open"),
        change(7, "status", "Open", "Resolved"),
    ]
    given = told("jira", tmp_path / "a", issue(*story_of))
    assert given.types()[2:] == [
        "NoteAdded",
        "CaseClosed",
        "NoteAdded",
        "CaseReopened",
        "CaseClosed",
    ]
    short = written(tmp_path / "b", issue(*story_of[:2]))
    assert imported(store, "jira", *short).imported.appended == 4
    longer = written(tmp_path / "c", issue(*story_of))
    assert imported(store, "jira", *longer).imported.appended == 3
    assert imported(store, "jira", *longer).imported.appended == 0


def test_named_states_close(tmp_path: Path) -> None:
    given = told(
        "jira",
        tmp_path,
        issue(change(3, "status", "Open", "Done"), change(4, "status", "Done", "Erledigt")),
        states={"closed": ["erledigt"]},
    )
    assert given.texts() == ["status: Open → Done"]
    assert given.one("CaseClosed")["occurred_at"] == "2026-03-04T09:00:00Z"


def test_an_issue_that_was_created_as_done_is_closed_then(tmp_path: Path) -> None:
    given = told("jira", tmp_path, issue(change(3, "status", "Done", "Open")))
    assert given.types()[2:] == ["CaseClosed", "CaseReopened"]
    assert given.one("CaseClosed")["occurred_at"] == "2026-03-02T09:00:00Z"


def test_without_a_changelog_the_end_state_closes(store: CaseStore, tmp_path: Path) -> None:
    alone = issue(status={"name": "Done"}, resolutiondate="2026-03-08T10:00:00.000+0100")
    del alone["changelog"]
    given = told("jira", tmp_path / "a", alone)
    assert [each.source for each in given.lines][-1] == "jira-end-state:a"
    assert given.one("CaseClosed")["occurred_at"] == "2026-03-08T09:00:00Z"
    imported(store, "jira", *written(tmp_path / "b", alone))
    whole = issue(
        change(3, "status", "Open", "Done"),
        change(4, "status", "Done", "Open"),
        change(8, "status", "Open", "Done"),
        status={"name": "Done"},
    )
    more = imported(store, "jira", *written(tmp_path / "c", whole))
    assert (more.imported.appended, more.kept_count) == (2, 1)


def test_a_change_is_in_pieces_of_several_pages(tmp_path: Path) -> None:
    one, two = change(3, "status", "Open", "Done"), change(4, "status", "Done", "Open")
    given = told("jira", tmp_path, issue(one), issue(two))
    assert given.types()[2:] == ["CaseClosed", "CaseReopened"]


def test_a_page_that_tells_not_all_is_remarked(tmp_path: Path) -> None:
    cut = issue(change(3, "status", "Open", "Done"))
    cut["changelog"]["total"] = 120
    assert told("jira", tmp_path, cut).remarks == ["an issue with more changes than its page tells"]


def test_assignments_and_other_changes(tmp_path: Path) -> None:
    given = told(
        "jira",
        tmp_path,
        issue(change(3, "assignee", None, "5b10:anna"), change(4, "priority", "Low", "High")),
    )
    assert given.one("CaseAssigned")["agent"] == "jira-a-5b10:anna"
    assert given.texts() == ["priority: Low → High"]


# --- comments -----------------------------------------------------------------------------------


def test_who_comments_decides(tmp_path: Path) -> None:
    given = told(
        "jira",
        tmp_path,
        issue(
            comment=comments(
                comment(3, ANNA),
                comment(4, KIM),
                comment(5, ANNA, jsdPublic=False),
                comment(6, ANNA, visibility={"type": "role", "value": "Agents"}),
                comment(7, {"accountId": "b1", "accountType": "app"}),
                comment(8, {"accountId": "c1", "accountType": "customer"}),
            )
        ),
    )
    assert given.types()[2:] == [
        "ReplySent",
        "MessageReceived",
        "NoteAdded",
        "NoteAdded",
        "ReplySent",
        "MessageReceived",
    ]
    assert [each["automated"] for each in given.fields("ReplySent")] == [False, True]


def test_documents_are_read_as_text(tmp_path: Path) -> None:
    body = {
        "type": "doc",
        "version": 1,
        "content": [
            {
                "type": "paragraph",
                "content": [
                    {"type": "text", "text": "Dear "},
                    {"type": "mention", "attrs": {"id": "5b10:kim", "text": "@Kim"}},
                    {"type": "hardBreak"},
                    {"type": "text", "text": "sorry", "marks": [{"type": "strong"}]},
                ],
            },
            {
                "type": "bulletList",
                "content": [
                    {"type": "listItem", "content": [{"type": "paragraph", "content": []}]},
                    {
                        "type": "listItem",
                        "content": [
                            {"type": "paragraph", "content": [{"type": "text", "text": "one"}]}
                        ],
                    },
                ],
            },
        ],
    }
    given = told("jira", tmp_path, issue(comment=comments(comment(3, ANNA, body=body))))
    assert given.one("ReplySent")["text"] == "Dear @Kim\nsorry\n\none"


@pytest.mark.parametrize(
    "document",
    [None, 7, [], {}, {"type": []}, {"content": 7}, {"content": [None, {"text": 7, "attrs": 7}]}],
)
def test_a_document_of_another_shape_has_no_text(document: object) -> None:
    assert document_text(document) == ""


def test_an_edited_comment_is_remarked(tmp_path: Path) -> None:
    edited = comment(3, ANNA, updated="2026-03-04T09:00:00.000+0100")
    given = told("jira", tmp_path, issue(comment=comments(edited)))
    assert given.remarks == ["a message that was edited: its first text is gone"]


def test_a_file_without_issues_is_told(tmp_path: Path) -> None:
    assert told("jira", tmp_path, {"startAt": 0, "total": 0, "issues": []}).left_out == []
    (left,) = told("jira", tmp_path, {"tickets": [{"id": 1}]}).left_out
    assert left.unreadable
    assert left.where.endswith("issue 1")


def test_one_bad_comment_leaves_the_issue(tmp_path: Path) -> None:
    given = told("jira", tmp_path, issue(comment=comments({"id": []}, comment(3, ANNA))))
    assert given.types() == ["CaseOpened", "MessageReceived", "ReplySent"]
    assert given.reasons() == {"a record of another shape"}


def test_a_service_feeds_one_issue() -> None:
    given = events(json.dumps(issue()).encode(), Options(instance="a"))
    assert [getattr(each, "type", "") for each in given] == ["CaseOpened", "MessageReceived"]


def test_a_file_without_an_issue_is_left_out_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text('[{"name": "kim"}]')
    (tmp_path / "empty.json").write_text('{"startAt": 0, "issues": []}')
    found = list(read("jira", [tmp_path], Options(instance="a")))
    places = [each.where for each in found if isinstance(each, LeftOut)]
    assert places == [f"{tmp_path}/users.json, issue 1"]
