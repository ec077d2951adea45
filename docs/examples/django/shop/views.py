import json
from typing import Any

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from casestore import PromiseMade
from shop.models import Refund
from shop.telling import tell, tell_on_commit


def made(said: dict[str, Any]) -> bool:
    """Make the refund; False where it was made already, because the client asks again."""
    refund = {name: said[name] for name in ("case_id", "amount", "due_at")}
    return Refund.objects.get_or_create(id=said["id"], defaults=refund)[1]


def promise(said: dict[str, Any]) -> dict[str, Any]:
    """What the case has to know of it: the fields of a PromiseMade."""
    # In a shop of your own, the actor is who has logged in.
    who = {"kind": "agent", "id": said["agent"]}
    when = {"occurred_at": said["at"], "due_at": said["due_at"]}
    return {"actor": who, "promise_id": said["id"], "kind": "refund", **when}


@require_POST
def refund(request: HttpRequest) -> JsonResponse:
    said = json.loads(request.body)
    with transaction.atomic():
        if new := made(said):
            tell(said["case_id"], "PromiseMade", **promise(said))
    return JsonResponse({"id": said["id"]}, status=201 if new else 200)


@require_POST
def refund_on_commit(request: HttpRequest) -> JsonResponse:
    said = json.loads(request.body)
    with transaction.atomic():
        if new := made(said):
            tell_on_commit(said["case_id"], PromiseMade(**promise(said)), key=said["id"])
    return JsonResponse({"id": said["id"]}, status=201 if new else 200)
