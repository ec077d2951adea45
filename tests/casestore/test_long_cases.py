"""What is done with a long case takes work in proportion to its length, and an append takes the
same work however long the case is."""

from __future__ import annotations

from pathlib import Path

from casestore import CaseStore
from casestore.append.request import Append
from casestore.streams import kinds
from tests.support.long_cases import long_case, long_history
from tests.support.stories import wrote
from tests.support.work import work


def test_folding_four_times_the_events_is_four_times_the_work() -> None:
    short, long = long_history(50), long_history(200)
    for fold in (kinds.fold_history, lambda history: kinds.fold(history.stream, history)):
        fold(short)
        before = work(lambda: fold(short))  # noqa: B023  (called at once)
        after = work(lambda: fold(long))  # noqa: B023
        assert after < 5.5 * before  # a little more than 4: of n things each is found in log(n)


def test_an_append_is_the_same_work_however_long_the_case_is(
    store_url: str, tmp_path: Path
) -> None:
    with CaseStore.create(store_url, key_file=tmp_path / "key") as store:
        for case_id, rounds in (("short", 10), ("long", 100)):
            stream = f"case:{case_id}"
            appends = [
                Append(batches=[(stream, [event])], imported=True) for event in long_case(rounds)
            ]
            assert store.write(appends) == [True] * len(appends)
        told = []
        for case_id in ("short", "long"):
            store.append(f"case:{case_id}", wrote("first"))  # the statements are prepared by now
            told.append(work(lambda: store.append(f"case:{case_id}", wrote("new"))))  # noqa: B023
            assert "new" in store.case(case_id).ids["message"]
        short, long = told
        assert long < 1.3 * short
