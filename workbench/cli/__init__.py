"""The command line `revenue-engine`: for operators of a deployed stack, and the demo for everybody."""
