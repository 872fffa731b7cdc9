from django.conf import settings
from django.db import models

from apps.accounts.models import Desk


class DataToken(models.Model):
    """A person's key to read one desk from a program. What it opens is decided at each call, by their roles of then.

    The token itself is shown once and kept nowhere: `digest` is its SHA-256. It has 256 random bits, so that there is
    nothing to guess and no need for a slow hash.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="data_tokens")
    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="data_tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=12, unique=True)  # the public beginning, by which people tell tokens apart
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)  # names of apps.data_api.scopes
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)  # to the minute
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["desk", "user"], name="data_token_by_person")]
