"""Sabotages of the logs: as if a worker had been told, or had seen, something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.torture.machine.logs import Line
from tests.torture.machine.sabotages.scene import Scene

_ASK = {"op": "writer0.999999", "mark": "writer0.999999", "streams": ["case:s0-0"]}


def nothing_done(scene: Scene) -> None:
    """No append was acknowledged."""
    for append in scene.clean.appends:
        for each in append.done:
            scene.edit(each.answer, told="refused", error="EventRefused", words="")


def another_error(scene: Scene) -> None:
    """A worker was told of an error that the store never raises on purpose."""
    scene.edit(scene.done().asked[0].answer, told="wrong", error="KeyError", words="'x'")


def died(scene: Scene) -> None:
    """A worker died of an exception."""
    scene.add("writer0.log", {"died": "Traceback\nKeyError: 'x'"})


def ended(scene: Scene) -> None:
    """A worker ended by itself."""
    scene.add("machine.log", {"ended": "writer0", "code": -11})


def hung(scene: Scene) -> None:
    """A worker did not end when it was told to."""
    scene.add("machine.log", {"hangs": "writer0"})


def moved(scene: Scene) -> None:
    """A receipt names other positions than those on record."""
    told = scene.done().asked[0]
    scene.edit(told.answer, positions=[each + 1 for each in told["positions"]])


def refused_but_there(scene: Scene) -> None:
    """An append was refused, and its events are on record."""
    scene.edit(scene.done().asked[0].answer, told="refused", error="EventRefused", words="")


def unasked(scene: Scene) -> None:
    """Events are on record that nobody asked for."""
    told = scene.done().asked[0]
    scene.drop(told.asked)
    scene.drop(told.answer)


def two_receipts(scene: Scene) -> None:
    """An append was repeated, and got another receipt."""
    told = scene.done().asked[0]
    other = {**_receipt(told), "positions": [each + 1 for each in told["positions"]]}
    scene.add("writer0.log", told.asked.said, {"op": told.op, **other})


def key_used_twice(scene: Scene) -> None:
    """Other events were taken with a key that was used before."""
    told = {"op": _ASK["op"], "told": "done", "uids": ["x"], "versions": [1], "positions": [1]}
    scene.add("writer0.log", {**_ASK, "ask": "other"}, told)


def another_version(scene: Scene) -> None:
    """An append was taken at another version than it expected."""
    told = scene.done("expected").asked[0]
    scene.edit(told.asked, expected=told["expected"] + 1)


def out_of_order(scene: Scene) -> None:
    """What was acknowledged first comes after what was asked later."""
    told = scene.done().asked[0]
    scene.edit(told.answer, positions=[each + 1_000_000 for each in told["positions"]])


def refused_within_the_limit(scene: Scene) -> None:
    """A gift was refused that was within the limit."""
    ask = {**_ASK, "ask": "gift", "amount": "0", "customer": "nobody"}
    told = {"op": _ASK["op"], "told": "refused", "error": "EventRefused", "words": "the limit"}
    scene.add("writer0.log", ask, told)


def refused_a_free_id(scene: Scene) -> None:
    """A claim was refused of an id that nobody has."""
    ask = {**_ASK, "ask": "claim", "statement": "nobodys"}
    told = {"op": _ASK["op"], "told": "refused", "error": "EventRefused", "words": "there already"}
    scene.add("writer0.log", ask, told)


def reader_missed_one(scene: Scene) -> None:
    """A reader did not see an event between two others."""
    line = next(e for e in _lines(scene, "reader") if len(e.said.get("saw", [])) > 1)
    scene.edit(line, saw=line.said["saw"][1:])


def reader_saw_another(scene: Scene) -> None:
    """A reader saw an event that is not on record: it vanished."""
    line = next(e for e in _lines(scene, "reader") if e.said.get("saw"))
    position, _, stream, version = line.said["saw"][0]
    scene.edit(line, saw=[[position, "another", stream, version], *line.said["saw"][1:]])


def read_something_else(scene: Scene) -> None:
    """A reader read all events, and they were not the first on record."""
    scene.edit(scene.told("everything").answer, digest="another")


def history_of_another(scene: Scene) -> None:
    """A stream's history had other events than the first on record."""
    scene.edit(scene.told("stream").answer, digest="another")


def follower_missed_one(scene: Scene) -> None:
    """A follower did not get an event between two others."""
    scene.drop(_followed(scene)[1])


def follower_got_one_twice(scene: Scene) -> None:
    """A follower got an event twice."""
    scene.edit(_followed(scene)[2], follows=_followed(scene)[1].said["follows"])


def follower_is_stuck(scene: Scene) -> None:
    """A follower did not get the last event."""
    scene.drop(_followed(scene)[-1])


def stale(scene: Scene) -> None:
    """A read did not see what was acknowledged before it began."""
    told = scene.told("everything")
    at = max(line.said["at"] for line in _lines(scene, "writer"))
    scene.edit(told.asked, at=at)


def forged_checkpoint(scene: Scene) -> None:
    """A checkpoint that was handed out is of another history."""
    told = scene.told("seal")
    size = str(told["size"])
    note = told["note"].replace(f"\n{size}\n", f"\n{int(size) + 1}\n")
    scene.edit(told.answer, note=note)


def sealed_more(scene: Scene) -> None:
    """More events were sealed than are on record: the last ones are gone."""
    scene.edit(scene.told("seal").answer, size=10_000_000)


def backup_of_less(scene: Scene) -> None:
    """A backup holds other events than it was said to hold."""
    told = max(_backups(scene), key=lambda each: int(each["file"]))
    scene.edit(told.answer, events=told["events"] - 1)


def backup_is_torn(scene: Scene) -> None:
    """Half of the newest backup is missing."""
    told = max(_backups(scene), key=lambda each: int(each["file"]))
    path = scene.place.backups / told["file"]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def words_again(scene: Scene) -> None:
    """Words of somebody who was erased were shown."""
    who = scene.told("erase")["customer"]
    ask = {"op": "eraser0.999999", "ask": "look", "customer": who}
    scene.add("eraser0.log", ask, {"op": ask["op"], "told": "done", "words": ["shown"]})


def not_erased(scene: Scene) -> None:
    """Somebody was said to be erased, and is not."""
    ask = {"op": "eraser0.999999", "ask": "erase", "customer": "c0"}
    scene.add("eraser0.log", ask, {"op": ask["op"], "told": "done", "now": True, "left": []})


def _receipt(told: Any) -> dict[str, Any]:
    names = ("uids", "versions", "positions")
    return {"told": "done", **{name: told[name] for name in names}}


def _lines(scene: Scene, role: str) -> list[Line]:
    return [e for name, lines in scene.clean.logs.items() if name.startswith(role) for e in lines]


def _followed(scene: Scene) -> list[Line]:
    return [line for line in scene.clean.logs["follower0.log"] if "follows" in line.said]


def _backups(scene: Scene) -> list[Any]:
    return [
        each
        for each in scene.clean.asked("backup")
        if each.told == "done" and (scene.place.backups / each["file"]).exists()
    ]


BY_CHECK: dict[str, tuple[Callable[[Scene], None], ...]] = {
    "work": (nothing_done,),
    "answers": (another_error, died, ended),
    "hangs": (hung,),
    "acknowledged": (moved,),
    "refused": (refused_but_there, unasked),
    "repeats": (two_receipts, key_used_twice),
    "expected": (another_version,),
    "order": (out_of_order,),
    "limits": (refused_within_the_limit,),
    "claims": (refused_a_free_id,),
    "readers": (reader_missed_one, reader_saw_another, read_something_else, history_of_another),
    "follow": (follower_missed_one, follower_got_one_twice, follower_is_stuck),
    "fresh": (stale,),
    "seals": (forged_checkpoint, sealed_more),
    "backups": (backup_of_less, backup_is_torn),
    "erased": (words_again, not_erased),
}
"""Which check must find each of them."""
