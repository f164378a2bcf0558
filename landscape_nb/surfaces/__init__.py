"""Values on lines, planes and paths, as `xarray.Dataset`s."""
