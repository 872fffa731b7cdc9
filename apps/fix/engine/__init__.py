"""The FIX engine: codec, dictionary, session, store. No Django, no sockets; time is an argument. See docs/fix.md."""
