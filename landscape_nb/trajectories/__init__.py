"""Where training went: runs, their planes, and the random walk that they are compared with."""
