"""Deployments and frontiers as users see them."""
