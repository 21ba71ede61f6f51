"""Signing in and what all signed-in faces share: sessions in the browser, the guard, forms, the pages of accounts."""
