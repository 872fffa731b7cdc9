"""Alerts: who is told what, through which channel, and how often. See docs/alerts.md."""
