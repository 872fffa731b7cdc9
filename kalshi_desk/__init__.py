import sys

from kalshi_desk.celery import app as celery_app

__all__ = ["celery_app"]

# A thread that waits for its turn gets it after this long at most; Python's own 5 ms, a few times between a click and
# the exchange, took longer than all the work (docs/adr/0009).
sys.setswitchinterval(0.0005)
