"""Results as people and programs read them: tables, files, plots and progress."""
