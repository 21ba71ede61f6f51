"""From a request to the chain, with an operator in a real browser and a real signer: and a review that is credited."""
