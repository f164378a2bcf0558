"""What is measured at a point: the loss and metrics of a model on data."""
