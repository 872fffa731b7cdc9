"""What each kind of process may do with each table, in one place. tests/operations holds it against the models.

r reads rows, a adds, c changes (and locks), d removes, - nothing. Whatever is not granted here, PostgreSQL refuses,
whoever has taken the process over. `backup` reads all, beat reads nothing (its clock is a file), and the owner, who
migrates, restores and rotates keys, is none of these. On SQLite there is one file with one right.
"""

from apps.core.errors import DeskError

PROCESSES = ("web", "worker", "gateway", "signer")
ROLES = (*PROCESSES, "beat", "backup")
VERBS = {"r": "SELECT", "a": "INSERT", "c": "UPDATE", "d": "DELETE"}
# Columns that only these processes read, whoever may read the rest of the row. The other verbs stay as in the table.
HIDDEN: dict[str, dict[str, tuple[str, ...]]] = {
    # Web seals and the worker copies the envelope into the emergency file; neither has what opens one.
    "vault.ApiKey": {"sealed": ("worker", "signer")},
    "monitoring.AlertWebhook": {"sealed": ("worker",)},
}
# Where "c" is a few columns and no more.
ONLY_CHANGES: dict[str, dict[str, tuple[str, ...]]] = {
    "vault.ApiKey": {"signer": ("use_count", "last_used_at")},
}

_RIGHTS = """
#                                 web  worker gateway signer
auth.Permission                   r    -    -    -
auth.Group                        r    -    -    -
auth.Group_permissions            r    -    -    -
contenttypes.ContentType          r    -    -    -
sessions.Session                  racd -    -    -
account.EmailAddress              racd -    -    -
account.EmailConfirmation         racd -    -    -
mfa.Authenticator                 racd -    -    -
accounts.User                     rac  r    r    -
accounts.User_groups              r    -    -    -
accounts.User_user_permissions    r    -    -    -
accounts.Desk                     rac  r    r    r
accounts.Membership               rac  r    r    -
accounts.Preference               racd -    -    -
accounts.Invitation               rac  -    -    -
accounts.DeskPolicy               racd r    r    -
accounts.ChangeRequest            rac  rac  r    -
accounts.SignIn                   racd r    -    -
accounts.KnownDevice              rac  -    -    -
accounts.CodeUse                  racd -    -    -
accounts.PasskeyUse               racd -    -    -
accounts.SignInTry                racd -    -    -
accounts.Notice                   rac  rac  -    -
accounts.ExchangeAccount          rac  rc   rc   r
audit.AuditEntry                  ra   ra   ra   ra
audit.ChainCheck                  ra   rc   -    -
vault.ApiKey                      rac  rc   r    rc
exchange.ExchangeStatus           r    rac  rac  -
exchange.Announcement             r    racd r    -
exchange.ExchangeSchedule         r    rac  r    -
exchange.AccountLimits            r    rac  r    -
exchange.GatewayLease             r    r    racd -
markets.Series                    r    rac  r    -
markets.SeriesFeeChange           r    racd r    -
markets.IncentiveProgram          r    racd r    -
markets.Event                     r    rac  r    -
markets.Market                    r    rac  rac  -
markets.Collection                r    rac  r    -
markets.Milestone                 r    racd -    -
markets.MilestoneEvent            r    racd -    -
markets.StructuredTarget          r    rac  -    -
markets.Watchlist                 racd r    r    -
orders.OrderIntent                rac  rac  rac  -
orders.Order                      rc   rac  rac  -
orders.CancelIntent               rac  rac  rac  -
orders.ChangeIntent               rac  rac  rc   -
orders.CancelRun                  rac  rac  r    -
orders.TradingPause               rac  rac  rac  -
orders.RiskLimit                  racd r    r    -
orders.LimitChange                ra   r    -    -
orders.DayResult                  rc   rac  rc   -
orders.OrderGroup                 rac  racd racd -
orders.GroupAction                rac  racd racd -
orders.SendGate                   rac  rac  rac  -
orders.Fill                       r    rac  rac  -
orders.AccountSync                r    rac  rac  -
rfq.IncomingRfq                   rac  rac  rac  -
rfq.PassedRequest                 rad  r    r    -
rfq.Quote                         rac  rac  rac  -
rfq.Confirmation                  rac  rac  rac  -
rfq.Markout                       r    rac  rac  -
rfq.ComboTicker                   r    rac  ra   -
rfq.ComboResolution               rac  rac  rac  -
rfq.Rfq                           rac  rac  rac  -
rfq.ReceivedQuote                 rc   rac  rac  -
rfq.Accept                        rac  rac  rac  -
rfq.StreamFilter                  racd r    r    -
rfq.StreamHit                     r    racd ra   -
rfq.QuoteRule                     rac  rc   rc   -
rfq.QuoteRuleVersion              rac  r    r    -
rfq.QuoteDecision                 r    rac  ra   -
rfq.ShadowGrade                   r    rac  ra   -
rfq.FairMark                      racd r    r    -
rfq.StreamMinute                  r    r    rac  -
rfq.Comment                       ra   r    r    -
rfq.Comment_mentions              ra   r    r    -
rfq.Approval                      rac  rac  r    -
rfq.ApprovalThreshold             rac  r    r    -
portfolio.Balance                 r    rac  rac  -
portfolio.Position                r    rac  rac  -
portfolio.Subaccount              rc   rac  r    -
portfolio.Settlement              r    rac  rac  -
portfolio.Deposit                 r    rac  r    -
portfolio.Withdrawal              r    rac  r    -
portfolio.Transfer                r    rac  r    -
portfolio.SubaccountAction        rac  rac  r    -
portfolio.MarketBook              r    rac  rac  -
portfolio.DayPnl                  r    racd r    -
portfolio.EquityPoint             r    racd r    -
portfolio.FigureState             r    racd r    -
fix.FixSession                    rac  rc   rac  -
fix.FixAsk                        rac  r    rac  -
fix.FixLease                      r    r    rac  -
fix.FixMessage                    r    r    racd -
fix.FixExecution                  r    r    racd -
fix.FixMarginExecution            r    r    racd -
fix.FixRecovery                   rac  rac  rac  -
fix.FixRoute                      rac  r    r    -
fix.FixCommand                    r    rac  racd -
history.Sighting                  r    racd rac  -
history.Discrepancy               rc   rac  r    -
history.ReconcileRun              ra   racd r    -
history.HistoryAccount            rac  rac  -    -
history.SyncState                 rac  rac  -    -
history.SyncRun                   r    ra   -    -
history.HistoricalCutoff          r    rac  -    -
history.ChosenMarket              rad  rc   -    -
history.PublicTrade               r    ra   -    -
history.Candle                    r    ra   -    -
monitoring.KillRun                rac  rac  rac  -
monitoring.Beat                   r    rac  rac  -
monitoring.KioskLink              rac  -    -    -
monitoring.AlertCursor            rac  rac  r    -
monitoring.AlertWebhook           rac  rc   r    -
monitoring.AlertRule              rac  r    r    -
monitoring.Alert                  rac  racd -    -
monitoring.AlertItem              rc   racd -    -
monitoring.AlertCopy              rac  racd -    -
monitoring.AlertDelivery          rac  racd -    -
monitoring.AlertPerson            rac  rc   -    -
monitoring.PartState              r    racd -    -
data_api.DataToken                rac  -    -    -
operations.BackupRun              r    racd -    -
operations.Restoration            r    rac  -    -
"""


def rights() -> dict[str, dict[str, str]]:
    """Return label of a model -> process -> its verbs. Raises DeskError where the table above is malformed."""
    found: dict[str, dict[str, str]] = {}
    for line in _RIGHTS.strip().splitlines()[1:]:
        label, *given = line.split()
        verbs = ["" if one == "-" else one for one in given]
        if len(verbs) != len(PROCESSES) or label in found or set("".join(verbs)) - VERBS.keys():
            raise DeskError("rights", f"The line of {label} in database_rights is malformed.")
        found[label] = dict(zip(PROCESSES, verbs, strict=True))
    return found
