"""Many workloads over pools of accelerators: from a fleet to certified plans."""
