"""Reports: tables, plots and one self-contained page from the result of a simulation."""
