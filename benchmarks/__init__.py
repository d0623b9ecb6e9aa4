"""How fast, beside what else, and how far from the limit: `make bench`, or `python -m benchmarks --help`.

desk       the product, put together as app.py does it
copies     many escalations made of one real one; what each firing of them writes
tables     rows in bulk, by the bare drivers
stores     the databases, PostgreSQL and Redis among them, that a run needs
gauges     event loop, acknowledgements, memory, percentiles
storm_*    10,000 windows that end at once: this engine, APScheduler, procrastinate, Celery, the bare drivers
calm       lateness, start-up and memory with up to a million open
catchup    after an hour of downtime
opening    what one opening costs
carrying   the pump, in front of `platform`, a chat service that takes its time
one        runs one of these in a process of its own
plan       what is run, in which order, how large
targets    what must be reached; `report` and `chart` write docs/benchmarks.md
"""
