"""Names of the tasks, since the web process never loads them."""

ACCOUNT_HISTORY = "apps.history.tasks.account_history_sync"
