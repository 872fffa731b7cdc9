"""What a token may be limited to. A scope opens nothing by itself: its person needs the permission, too."""

SCOPES: dict[str, str] = {
    "accounts": "Accounts",
    "balances": "Balances",
    "positions": "Positions",
    "orders": "Orders, refused ones too",
    "fills": "Fills",
    "settlements": "Settlements",
    "rfqs": "Requests (RFQ)",
    "quotes": "Quotes sent",
    "trades": "Kept public trades",
    "sync": "State of the history sync",
}
