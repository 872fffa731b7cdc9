"""REST, WebSocket, replay and faults of the paper exchange.

Layers, each only uses those before it:

* http, params, buckets, auth      requests, budgets and signatures, no I/O
* catalogue, shapes                what the exchange shows, in the shapes of the wire
* rest_*, rest                     operations, routing, limits
* session, hub, replay             WebSocket subscriptions, who gets which frame, recorded frames
* faults, control                  misbehaviour on demand, outside /trade-api
* connection, run                  sockets and the process
"""
