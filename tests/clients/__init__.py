"""The client libraries, without a gateway: what they do, and that they are in step with the API."""
