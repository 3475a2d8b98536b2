"""Sweeps: notebooks run by papermill, over grids, on Dask."""
