"""What operators read and do across all merchants. Nothing here is scoped to a merchant: only the desk, whose guard
admits only operators, may call it."""
