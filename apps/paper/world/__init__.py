"""A believable world of series, events and markets to trade in."""
