from django.urls import path

from apps.monitoring.pages import kill

urlpatterns = [
    path("kill/", kill.kill_page, name="monitor_kill"),
    path("kill/pull/", kill.kill_pulled, name="monitor_kill_pull"),
    path("kill/release/", kill.kill_released, name="monitor_kill_release"),
]
