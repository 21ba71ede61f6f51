"""Version 1 of the merchant API: one module a resource, routes and their schemas."""
