"""Run notebooks anew and keep what they print: ``python docs/site/execute.py docs/tutorial.ipynb``."""

import sys

import nbformat
from nbclient import NotebookClient

for path in sys.argv[1:]:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, coalesce_streams=True, record_timing=False).execute()
    nbformat.write(notebook, path)
