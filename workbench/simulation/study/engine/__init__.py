"""The engine as it stands, in an array world: its own `decide_batch` on rows kept by array forms of the events that engage applies."""
