from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from allauth.account import signals as account_signals
        from allauth.mfa import signals as mfa_signals
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from apps.accounts import factor_notices, factor_policy, four_eyes_kinds, sign_ins

        four_eyes_kinds.register()
        factor_policy.register()
        user_logged_in.connect(sign_ins.sign_in_started, dispatch_uid="sign-in-started")
        user_logged_out.connect(sign_ins.person_signed_out, dispatch_uid="person-signed-out")
        account_signals.user_logged_in.connect(sign_ins.person_signed_in, dispatch_uid="person-signed-in")
        account_signals.password_changed.connect(factor_notices.password_changed, dispatch_uid="password-changed")
        mfa_signals.authenticator_added.connect(factor_notices.factor_added, dispatch_uid="factor-added")
        mfa_signals.authenticator_removed.connect(factor_notices.factor_removed, dispatch_uid="factor-removed")
        mfa_signals.authenticator_reset.connect(factor_notices.factor_reset, dispatch_uid="factor-reset")
        mfa_signals.authenticator_used.connect(factor_notices.factor_used, dispatch_uid="factor-used")
