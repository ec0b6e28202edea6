"""Arrays: of NumPy, PyTorch, MATLAB and HDF5."""
