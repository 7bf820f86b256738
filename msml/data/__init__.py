"""The HDF5 event file: what is in it, writing, reading and importing."""
