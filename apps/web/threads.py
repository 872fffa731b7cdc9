"""The threads in which sockets ask the database: orders wait neither for readings nor for checks of rights."""

from concurrent.futures import ThreadPoolExecutor

# Commands of people who may act.
commands = ThreadPoolExecutor(4, thread_name_prefix="command")
# States of topics, and whatever people ask who only look.
reads = ThreadPoolExecutor(2, thread_name_prefix="read")
# Who a socket speaks for, at its start and again and again.
checks = ThreadPoolExecutor(1, thread_name_prefix="check")
