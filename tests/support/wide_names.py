"""Names that layouts break on: long without a space, from right to left, tall, wide, composed."""

from __future__ import annotations

import unicodedata
from typing import Any

from tests.support.desk import Desk
from tests.support.stories import (
    bounced,
    found,
    gave,
    issue,
    opened,
    prefers,
    promised,
    replied,
    wrote,
)

NAMES = {
    "long": "x" * 120,
    "path": "https://example.org/" + "segment/" * 14,
    "right": "شكوى-العميل-١٢٣",
    "mixed": "abc שלום (def) 123 [עברית",
    "cjk": "客户投诉管理系统" * 6,
    "emoji": "🚒🏴🧑🙈" * 16,
    "marks": unicodedata.normalize("NFC", "Z" + "\u0351\u036b\u0316" * 20 + "algo"),
    "thai": "การร้องเรียนของลูกค้าเกี่ยวกับสินค้า" * 3,
    "markup": "<img src=x onerror=alert(1)>\"'&",
}
"""What people cannot see is refused in ids and codes: it can stand in free text alone."""


def tell(desk: Desk) -> None:
    """A case and a customer of each name, which is also the name of all else."""
    for name in NAMES.values():
        about: dict[str, Any] = {"category": name, "product": name, "region": name}
        desk.customer(name)
        desk.case(
            name,
            opened(customer_id=name, **about),
            issue("i1"),
            wrote(name, "+1h"),
            replied(name, "+2h"),
            bounced(name, "+3h"),
            promised(name, "+3h", "+1d"),
            promised("p2", "+3h", "+900d"),
            gave("g1", "+6h"),
            found("f1", "+7h", issue_ids=["i1"], root_cause=name),
        )
        desk.customer(name, prefers(at="+8h"))
