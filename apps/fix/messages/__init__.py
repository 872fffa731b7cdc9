"""Kalshi's FIX messages as typed values: what the desk writes and what it reads. No I/O."""
