"""The writers of monitoring: see each module. Reading is in `apps.monitoring.selectors`."""
