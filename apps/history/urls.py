from django.urls import path

from apps.history.pages import reconciliation, search, sync, taxlots

urlpatterns = [
    path("", sync.history, name="history"),
    path("sync/", sync.history_sync, name="history_sync"),
    path("markets/choose/", sync.history_market_choose, name="history_market_choose"),
    path("markets/leave/", sync.history_market_leave, name="history_market_leave"),
    path("reconciliation/", reconciliation.reconciliation, name="history_reconciliation"),
    path("reconciliation/list/", reconciliation.reconciliation_list, name="history_reconciliation_list"),
    path("reconciliation/run/", reconciliation.reconciliation_run, name="history_reconciliation_run"),
    path("reconciliation/resolve/", reconciliation.reconciliation_resolve, name="history_reconciliation_resolve"),
    path("reconciliation/proof/", reconciliation.reconciliation_proof, name="history_reconciliation_proof"),
    path("search/", search.history_search, name="history_search"),
    path("search/count/", search.history_search_count, name="history_search_count"),
    path("tax-lots/", taxlots.history_taxlots, name="history_taxlots"),
    path("tax-lots/export/", taxlots.history_taxlots_export, name="history_taxlots_export"),
    path("search/export/", search.history_search_export, name="history_search_export"),
]
