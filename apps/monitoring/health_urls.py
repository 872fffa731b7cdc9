from django.urls import path

from apps.monitoring.pages import csp, health

urlpatterns = [
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
    path("metrics", health.metrics, name="metrics"),
    path("csp-report", csp.csp_report, name="csp_report"),
]
