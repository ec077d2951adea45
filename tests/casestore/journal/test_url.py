"""A store's URL: what it names, and that a message never shows its password."""

from __future__ import annotations

import pytest

from casestore import StoreNotFound
from casestore.journal.url import PostgresUrl, parse_url, without_password


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:s3cret@host/desk",
        "postgresql://anna:s3cret@s3cret@host/desk",
        "postgresql://host/desk?user=anna&password=s3cret",
        "postgresql://host/desk?pass%77ord=s3cret&schema=berlin",
        "postgresql://anna:s3cret@host/desk?sslpassword=s3cret",
        "postgresql://anna:@host/desk?password=s3cret",
        "postgresql://host/desk?listen_url=postgresql%3A%2F%2Fanna%3As3cret%40direct%2Fdesk",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    shown = without_password(url)
    assert "s3cret" not in shown
    assert "***" in shown
    assert "host/desk" in shown


def test_the_rest_of_a_url_is_shown_as_it_was_given() -> None:
    for url in (
        "postgresql://anna@host:5432/desk?schema=berlin&sslmode=require",
        "postgresql://host/desk?user=anna@desk",
        "sqlite:////srv/desk.db",
        "",
    ):
        assert without_password(url) == url


def test_the_schema_is_ours_and_the_rest_is_for_libpq() -> None:
    where = parse_url("postgresql://anna@host/desk?schema=berlin&sslmode=require")
    assert where == PostgresUrl("postgresql://anna@host/desk?sslmode=require", "berlin")
    assert parse_url(where.url) == where


def test_behind_a_pooler_a_url_may_name_the_server_too() -> None:
    direct = "postgresql%3A%2F%2Fanna%3Ax%40direct%2Fdesk%3Fsslmode%3Drequire"
    where = parse_url(f"postgresql://pooler/desk?prepare_threshold=none&listen_url={direct}")
    assert isinstance(where, PostgresUrl)
    assert (where.conninfo, where.schema, where.pooled) == (
        "postgresql://pooler/desk",
        "casestore",
        True,
    )
    assert where.listen_url == "postgresql://anna:x@direct/desk?sslmode=require"
    assert parse_url(where.url) == where
    with pytest.raises(StoreNotFound, match="prepare_threshold=none"):
        parse_url("postgresql://pooler/desk?prepare_threshold=0")


@pytest.mark.parametrize("url", ["mysql://host/desk", "sqlite:///", "postgresql://h/d?schema=A"])
def test_what_is_no_stores_url(url: str) -> None:
    with pytest.raises(StoreNotFound):
        parse_url(url)
