"""Making event files from data of others: the published code's arrays, and Delphes."""

from msml.data.importers.delphes import Process, import_delphes
from msml.data.importers.npy import import_npy
from msml.data.importers.recipe import ImportRecipe, run_import

__all__ = ["ImportRecipe", "Process", "import_delphes", "import_npy", "run_import"]
