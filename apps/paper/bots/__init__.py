"""Seeded market makers and takers that keep the paper exchange alive."""
