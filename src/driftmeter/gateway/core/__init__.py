"""The state: durable first, then counted, then acknowledged; windows, verdicts, and what is said of them."""
