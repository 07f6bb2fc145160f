"""The development server: injected faults, a clock, a journal of requests."""
