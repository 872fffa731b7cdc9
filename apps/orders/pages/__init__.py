"""The Orders page, an order's own page, and what they export. Reading only, but for the cancels."""
