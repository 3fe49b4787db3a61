"""Files of any kind: YAML and JSON with the place of every field, and writing completely or not at all."""
