"""Dead letters: what becomes of a message that is no event, or at which a fold broke.

A reader leaves it out, reports it and parks a copy with the reason (`parking`), a few per task; an
operator lists the copies and settles them (`letters`). What counts as no event is said in
`infra.log.jetstream.read.decode`. A task whose fold broke is quarantined
(`events.protocol.quarantine`): its letter is of the event at which that happened.
"""
