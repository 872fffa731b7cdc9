"""The paper exchange's FIX gateway: acceptors for KalshiNR, RT, DC, RFQ and PT on the engine that REST works on.

`codec` and `dictionary` know the bytes, `session` the session rules, `gateway` who is connected, the rest what the
messages do. Nothing here blocks; time comes from the exchange's clock. Shares no code with the desk's own engine.
"""
