"""How well a merchant protects its secrets: who has seen them, and what could be safer."""
