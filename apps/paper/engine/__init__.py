"""The paper exchange's domain: catalogue, matching, money. No I/O, no framework, one thread, the clock is injected.

Units everywhere: prices in 1/10,000 dollar, counts in 1/100 contract, money in micro-dollars (so that price x count is
money without any rounding), times in Unix milliseconds unless a name ends in ``_s``.
"""
