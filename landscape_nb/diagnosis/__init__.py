"""What a drawn line or plane says, and whether to believe it."""
