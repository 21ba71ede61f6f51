"""How well a merchant keeps its secrets: what people have seen of them, and what could be kept tighter."""
