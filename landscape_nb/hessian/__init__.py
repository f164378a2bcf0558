"""Curvature: products with the Hessian, its extreme eigenvalues, its density, and maps over a plane."""
