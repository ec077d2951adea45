from typing import Any

from django.core.management.base import BaseCommand, CommandError
from shop.models import Outbox
from shop.telling import drain


class Command(BaseCommand):
    help = "Tells the store what is in the outbox. Run it every minute."

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(f"told: {drain()}")
        refused = Outbox.objects.exclude(refused="").order_by("id")
        for row in refused:
            self.stderr.write(f"{row.id}: {row.refused}")
        if refused:
            raise CommandError("the store refuses these; mend what is wrong, or delete the rows")
