"""What each kind of stage does. Every function runs in a process of its own and writes into the folder `out`."""
