"""Files of any kind: YAML, JSON and CSV with the place of every field, and writing completely or not at all."""
