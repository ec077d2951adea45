"""What the tables of a store on PostgreSQL are made of, as the catalogs tell it.

The catalogs tell everything in one form, whoever made it and however it was written. So what a
store has can be compared as text with what `casestore init` makes: see MADE, which a test keeps
true. Names of the schema are left out of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

_OURS = "('stored_events', 'customer_keys', 'casestore_meta')"
CATALOG = f"""
WITH ours AS (
    SELECT c.*, quote_ident(n.nspname) || '.' AS prefix FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ? AND c.relname IN {_OURS}
)
SELECT 'table ' || relname, concat_ws('; ',
    'kind ' || relkind::text, 'persistence ' || relpersistence::text,
    CASE WHEN relrowsecurity OR relforcerowsecurity THEN 'row-level security' END,
    (SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod),
        CASE WHEN attnotnull THEN 'not null' END,
        CASE WHEN attidentity <> '' THEN 'identity ' || attidentity::text END,
        CASE WHEN attgenerated <> '' THEN 'generated' END,
        pg_get_expr(d.adbin, d.adrelid),
        CASE WHEN l.collname <> 'default' THEN 'collate ' || l.collname::text END),
        ', ' ORDER BY attnum)
     FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum
     LEFT JOIN pg_collation l ON l.oid = attcollation
     WHERE attrelid = ours.oid AND attnum > 0 AND NOT attisdropped))
FROM ours
UNION ALL SELECT 'index ' || i.relname, concat_ws('; ',
    replace(pg_get_indexdef(x.indexrelid), prefix, ''),
    CASE WHEN NOT (x.indisvalid AND x.indisready AND x.indislive) THEN 'not valid' END)
FROM ours JOIN pg_index x ON x.indrelid = ours.oid JOIN pg_class i ON i.oid = x.indexrelid
UNION ALL SELECT 'constraint ' || conname, replace(pg_get_constraintdef(k.oid), prefix, '')
FROM ours JOIN pg_constraint k ON conrelid = ours.oid WHERE contype <> 'n'
UNION ALL SELECT 'trigger ' || tgname, concat_ws('; ',
    replace(pg_get_triggerdef(t.oid), prefix, ''), 'enabled ' || tgenabled::text)
FROM ours JOIN pg_trigger t ON tgrelid = ours.oid WHERE NOT tgisinternal
UNION ALL SELECT 'rule ' || rulename, replace(pg_get_ruledef(r.oid), prefix, '')
FROM ours JOIN pg_rewrite r ON ev_class = ours.oid
UNION ALL SELECT 'policy ' || polname, 'of ' || relname
FROM ours JOIN pg_policy ON polrelid = ours.oid
UNION ALL SELECT 'child table ' || inhrelid::regclass::text, 'of ' || relname
FROM ours JOIN pg_inherits ON inhparent = ours.oid
UNION ALL SELECT 'function ' || proname, concat_ws('; ',
    pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), lanname,
    CASE WHEN prosecdef THEN 'security definer' END, array_to_string(proconfig, ', '),
    replace(prosrc, '"' || nspname || '".', ''))
FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace JOIN pg_language l ON l.oid = prolang
WHERE n.nspname = ?
"""
"""Asks for each part of the tables by its kind and name, and for its text. It has the name of the
schema as its two parameters."""

MADE: Mapping[str, str] = {
    "constraint casestore_meta_pkey": "7bae5e355e1887ccfd39ef99",
    "constraint customer_keys_key_id_key": "abf7aa5e335c57ebbbd536bb",
    "constraint customer_keys_pkey": "cc24b460be558cd9e03d8dfa",
    "constraint stored_events_event_id_key": "662175eef6ce9198a68013db",
    "constraint stored_events_originator_id_originator_version_key": "4a3062ad7137d0535bf89a10",
    "constraint stored_events_pkey": "00d49c626a68fd9846df61eb",
    "function casestore_append": "31c84a54c2f19020e5f39d7f",
    "function casestore_append_then_flush": "c9493de263f36b23c4f67ec9",
    "function stored_events_append_only": "05b001b816709ce82d9fc4c7",
    "index casestore_meta_pkey": "cb682968e46dea2a87c10796",
    "index customer_keys_key_id_key": "cf50b2f45267a57178fae37f",
    "index customer_keys_pkey": "a9e7d252e5736ddb01c2d7c6",
    "index stored_events_case_merges": "012bd21b6af13f3ebbf878a0",
    "index stored_events_customer": "ae80003770780db1fbb53173",
    "index stored_events_event_id_key": "415f330efd6e36eb10be41c3",
    "index stored_events_merges": "82353c406c7f2eb6611814ab",
    "index stored_events_originator_id_originator_version_key": "7fa6b3b8b5517407c4517813",
    "index stored_events_pkey": "8ca7dfd74a8cfa2e00a3ea79",
    "table casestore_meta": "806a05567148c9abbb207cfd",
    "table customer_keys": "88c96e207f29085018318ad3",
    "table stored_events": "deebdffe7c0b8ac568d3dc7b",
    "trigger stored_events_no_change": "4c0007e961c6bfa2ad182f44",
    "trigger stored_events_no_truncate": "139c7f22c0b7c743efb003b2",
}
"""Of each part, by its kind and name, the hash of its text."""

OLDER: Mapping[str, str] = {"function casestore_append": "aef34ac5a9b0c8f41d2d9388"}
"""The same, of parts that the first version made, and that `casestore upgrade` makes anew."""


def hash_of(text: str, schema: str) -> str:
    """The hash of a part's text, whatever the schema is called."""
    for before, after in (("'casestore:", "'"), ("'casestore_' || '", "'")):
        text = text.replace(f"{before}{schema}{after}", f"{before}{after}")
    return sha256(text.encode()).hexdigest()[:24]


def altered(found: Sequence[tuple[str, str]], schema: str) -> list[tuple[str, str]]:
    """What is not as casestore makes it, or was added: each part, and what is found of it.

    An index, a trigger or a function that is missing is none of it: an earlier version may have
    made none.

    Args:
        found: what CATALOG gives.
        schema: its name.
    """
    told = []
    for part, text in found:
        if part not in MADE:
            told.append((part, "was added"))
        elif hash_of(text, schema) not in (MADE[part], OLDER.get(part)):
            told.append((part, "is not as casestore makes it"))
    parts = {part for part, _ in found}
    lost = (part for part in MADE if part not in parts and part.startswith("constraint"))
    return told + [(part, "is missing") for part in lost]
