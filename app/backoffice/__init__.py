"""What operators see and do over all nouns and merchants. Nothing in here is scoped to a merchant: only the desk,
whose guard lets operators alone in, may call it."""
