"""Every operation of the published OpenAPI file, asked rightly and wrongly; every answer checked against the file.

The requests stand in `areas/`, one module per area: a list `REQUESTS` of `Ask`, and, where it needs more than the
prepared world holds, a function `prepare(world)` that adds to it. A new module in `areas/` is found by itself.
"""
