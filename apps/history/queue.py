"""Names of the tasks, since the web process never loads them."""

ACCOUNT_HISTORY = "apps.history.tasks.account_history_sync"
ACCOUNT_RECONCILE = "apps.history.tasks.account_reconcile_sync"
DISCREPANCY_ADOPT = "apps.history.tasks.discrepancy_adopt_sync"
