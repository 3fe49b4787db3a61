"""The performance model against measurements: reading them, comparing, and fitting its constants to them."""
