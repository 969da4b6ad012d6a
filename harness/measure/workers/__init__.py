"""Worker processes: one function in a fresh process, watched and limited."""
