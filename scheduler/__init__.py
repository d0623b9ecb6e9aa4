"""Time: the clock, the calendars, and what must happen when a time has come."""
