"""Many scenarios that differ in some fields, each answered: a table that a killed run does not lose."""
