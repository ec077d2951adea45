from uuid import uuid4

from django.db import models


class Refund(models.Model):
    """Money that a customer is to get back: what the shop itself keeps."""

    id = models.UUIDField(primary_key=True)
    case_id = models.CharField(max_length=200)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    due_at = models.DateTimeField()


class Outbox(models.Model):
    """An event that the store is still to be told. Rows are told in the order of their ids."""

    # The number of a row comes again where the shop's database was restored: so no number is a key.
    key = models.UUIDField(default=uuid4, unique=True)
    case_id = models.CharField(max_length=200)
    type = models.CharField(max_length=100)
    fields = models.JSONField()
    refused = models.TextField(blank=True)
    """Why the store does not take it; somebody has to look."""
