"""What every room needs: checks of arguments, random state, provenance, settings, words for results."""
