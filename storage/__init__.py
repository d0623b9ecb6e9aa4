"""Stored escalations: one schema on SQLite and on PostgreSQL, plain statements, no mapped objects.

database      opens a database and hands out what the core asks for (start here)
unit_of_work  one transaction: state, ledger and outbox together
outbox        parcels on their way: taken by lease (lanes: which place gets what next), settled (marks), forgotten (pruning)
archive       reading without a transaction of one's own
people        names and languages, in memory and stored
ledger        the chain that makes the history provable
parcels       effects → rows of the outbox
record        an escalation ↔ its columns
codec         domain values ↔ JSON text
tables        the schema and nothing else; types: instants in milliseconds
transaction   statements whose errors are those of `bot.errors`
among         a list of any length as one parameter
engine        URL → engine, with the settings that each database needs; hops: SQLite's driver, one visit to its thread for a
              statement
audit         the auditor's eyes and memory, with its questions (what is suspect), evidence (what the rows of one escalation
              say), repairs, and snapshot (reading as of one instant)
erasure       forgetting people and old texts; scrub: taking them out of JSON
export        everything as JSON Lines; visiting: opening a database beside a running bot
migrate       brings the schema up to date; migrations/ holds the steps
"""
