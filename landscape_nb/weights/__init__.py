"""A point or a direction in weight space."""
