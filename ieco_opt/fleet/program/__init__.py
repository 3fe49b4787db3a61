"""The program of a fleet, one function per constraint family."""
