"""Running solvers: configurations, outcomes, interrupts."""
