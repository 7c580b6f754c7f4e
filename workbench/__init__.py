"""What people run and AWS never sees: the local plane, the simulated world and the command line."""
