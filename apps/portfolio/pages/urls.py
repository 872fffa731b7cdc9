"""URLs of the pages Subaccounts and Cash."""

from django.urls import path

from apps.portfolio.pages import cash, subaccounts

urlpatterns = [
    path("subaccounts/", subaccounts.subaccounts, name="subaccounts"),
    path("subaccounts/live/", subaccounts.subaccounts_live, name="subaccounts_live"),
    path("subaccounts/transfer/", subaccounts.transfer_send, name="transfer_send"),
    path("subaccounts/create/", subaccounts.subaccount_create, name="subaccount_create"),
    path("subaccounts/name/", subaccounts.subaccount_name, name="subaccount_name"),
    path("subaccounts/netting/", subaccounts.subaccount_netting, name="subaccount_netting"),
    path("cash/", cash.cash, name="cash"),
    path("cash/statement/", cash.cash_statement, name="cash_statement"),
]
