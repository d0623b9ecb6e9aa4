"""The drill: starts Echelon as real processes, breaks things under them, and says what was lost. `make drill`.

points      the fail points, read from the code
processes   starting, freezing and killing `app.py`; zygote forks it where a thousand starts would cost too much
databases   an SQLite file or a PostgreSQL server, and how to break them
world       one drill ground: a platform, a database, some processes, and what they promised
people      the load: people who open, acknowledge, note and resolve, and remember what they were told
checks      what must be true afterwards
stories     scenarios that pass every fail point; player goes through them, aftermath holds those about old issues
faults      what they have in common; kills, stores (and breaking), clocks, platforms, inbound are they
report      the page
"""
