from django.urls import path

from apps.vault import views

urlpatterns = [
    path("", views.vault, name="vault"),
    path("accounts/add/", views.account_create, name="vault_account_add"),
    path("keys/add/", views.key_import, name="vault_key_import"),
    path("keys/generate/", views.key_generate, name="vault_key_generate"),
    path("keys/<int:key_id>/", views.key_detail, name="vault_key"),
    path("keys/<int:key_id>/test/", views.key_test, name="vault_key_test"),
    path("keys/<int:key_id>/test/state/", views.key_test_state, name="vault_key_test_state"),
    path("keys/<int:key_id>/name/", views.key_name, name="vault_key_name"),
    path("keys/<int:key_id>/revoke/", views.key_revoke, name="vault_key_revoke"),
]
