"""Made by `make clients` from the gateway's OpenAPI document. Import nothing from here: its names may change."""
