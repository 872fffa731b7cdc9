"""The one process that holds opened keys, and the way to it from those that send requests.

`server` runs as `manage.py signer`; `remote` is what workers and the gateway have instead of a key.
Both speak `frames`.
"""
