"""What somebody else's model, loss or metric may raise when it is called in another way than usual."""

FAILURES = (RuntimeError, ValueError, TypeError, NotImplementedError, LookupError, AttributeError, AssertionError)
"""Whoever catches these calls the model or measure plainly instead."""
