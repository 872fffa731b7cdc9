"""Seeded market makers and takers that keep the paper exchange alive."""

from apps.paper.bots.pool import BotPool

__all__ = ["BotPool"]
