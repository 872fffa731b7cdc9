"""A believable world of series, events and markets to trade in."""

from apps.paper.world.build import World, build_world

__all__ = ["World", "build_world"]
