from django.urls import path

from apps.monitoring.pages import kill, wall

urlpatterns = [
    path("", wall.wall, name="monitor"),
    path("panels/", wall.wall_panels, name="monitor_panels"),
    path("kiosk/", wall.kiosk, name="kiosk"),
    path("kiosk/enter/", wall.kiosk_enter, name="kiosk_enter"),
    path("kiosk/panels/", wall.kiosk_panels, name="kiosk_panels"),
    path("kiosks/", wall.kiosks, name="kiosks"),
    path("kiosks/add/", wall.kiosk_add, name="kiosk_add"),
    path("kiosks/end/", wall.kiosk_end, name="kiosk_end"),
    path("kill/", kill.kill_page, name="monitor_kill"),
    path("kill/pull/", kill.kill_pulled, name="monitor_kill_pull"),
    path("kill/release/", kill.kill_released, name="monitor_kill_release"),
]
