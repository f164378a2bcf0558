"""Results at the paper's scale."""
