"""Checks of the exercises: what is right, and a hint for each usual mistake."""
