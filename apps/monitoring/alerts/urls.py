from django.urls import path

from apps.monitoring.alerts import rule_views, views

urlpatterns = [
    path("", views.alerts, name="alerts"),
    path("acknowledge/", views.alerts_acknowledged, name="alerts_acknowledge"),
    path("read/", views.alerts_looked_at, name="alerts_read"),
    path("test/", views.alert_test, name="alert_test"),
    path("test/result/", views.alert_test_result, name="alert_test_result"),
    path("rules/", rule_views.alert_rules, name="alert_rules"),
    path("rules/save/", rule_views.alert_rule_save, name="alert_rule_save"),
    path("rules/switch/", rule_views.alert_rule_switch, name="alert_rule_switch"),
    path("rules/remove/", rule_views.alert_rule_remove, name="alert_rule_remove"),
    path("rules/usual/", rule_views.alert_rules_usual, name="alert_rules_usual"),
    path("reach/", rule_views.alert_reach_save, name="alert_reach_save"),
    path("webhooks/add/", rule_views.alert_webhook_add, name="alert_webhook_add"),
    path("webhooks/remove/", rule_views.alert_webhook_remove, name="alert_webhook_remove"),
]
