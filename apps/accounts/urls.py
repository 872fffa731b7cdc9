from django.urls import path

from apps.accounts import approval_views, session_views, team_views, trail_views, views

urlpatterns = [
    path("settings/preferences/", views.preferences, name="preferences"),
    path("settings/preferences/update/", views.preferences_update, name="preferences_update"),
    path("settings/kept/", views.kept_save, name="kept_save"),
    path("settings/sessions/", session_views.sessions, name="sessions"),
    path("settings/sessions/<int:sign_in_id>/end/", session_views.session_end, name="session_end"),
    path("settings/sessions/end-others/", session_views.sessions_end_others, name="sessions_end_others"),
    path("settings/sessions/notices/read/", session_views.notices_read, name="notices_read"),
    path("team/", team_views.team_page, name="team"),
    path("team/invite/", team_views.invitation_create, name="invitation_create"),
    path("team/invitations/revoke/", team_views.invitation_revoke, name="invitation_revoke"),
    path("team/people/<int:user_id>/", team_views.person_page, name="person"),
    path("team/people/<int:user_id>/roles/", team_views.person_roles, name="person_roles"),
    path("team/people/<int:user_id>/suspend/", team_views.person_suspend, name="person_suspend"),
    path("team/people/<int:user_id>/resume/", team_views.person_resume, name="person_resume"),
    path("team/people/<int:user_id>/sign-out/", team_views.person_sign_out, name="person_sign_out"),
    path("team/people/<int:user_id>/factor/", approval_views.person_factor_reset, name="person_factor_reset"),
    path("team/approvals/", approval_views.approvals, name="approvals"),
    path("team/approvals/approve/", approval_views.approval_approve, name="approval_approve"),
    path("team/approvals/decline/", approval_views.approval_decline, name="approval_decline"),
    path("team/approvals/policy/", approval_views.policy_save, name="policy_save"),
    path("team/trail/", trail_views.trail_page, name="trail"),
    path("team/trail/export/", trail_views.trail_export, name="trail_export"),
    path("team/chain/", trail_views.trail_checks, name="trail_checks"),
    path("team/chain/check/", trail_views.trail_check, name="trail_check"),
    path("join/", team_views.join, name="join"),
    path("accounts-select/", views.account_select, name="account_select"),
    path("desks-select/", views.desk_select, name="desk_select"),
]
