"""Sign-in, and what cabinet, desk and account pages share: browser sessions, the guard, forms."""
