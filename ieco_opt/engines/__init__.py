"""What servers accept and what their flags are called."""
