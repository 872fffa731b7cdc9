"""Pages of monitoring: one module per page."""
