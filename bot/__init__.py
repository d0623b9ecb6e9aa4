"""The core: what an escalation is and what may happen to it. Standard library only; arrows point here.

values      plan, directory, rich, facts, effects, events, state, message, commands
rules       permissions (the one table) · schedule · escalation (`advance`, the one rule)
            and its parts deeds, clockwork, entering, outcome · forecast · roster · grammar
words       wording, languages/ · cards, letters, pages, answers, forms
the rest    ports, delivery, signals (what is asked of the outside) · failpoints (where drills kill)
            service (the use cases) and its parts drafting, visibility, sweeping, transactions
            audit (what the auditor asks, and how it is said)
            readers · reception (the conversation) · prompt, patience, requests (answered in time, by a name)
            limits, buckets (how much one person may ask for)
"""
