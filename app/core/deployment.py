"""What is wrong with a deployment, and can be put right by whoever runs it."""


class DeploymentError(Exception):
    """A file, a setting or a package is missing or wrong; the message says what to do, for people, without a secret."""
