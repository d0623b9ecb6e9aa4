"""Time: the clock, the calendars, what must happen when a time has come, and the check that it did."""
