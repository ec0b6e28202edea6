"""Tables: a column for each number, or lists in cells, in text, parquet and HDF5."""
