"""Accounts on Tron, for tests: m/44'/195'/0'/0/0, 1 and 2 of the phrase `abandon … about`, as bip-utils and tronweb
derive them."""

KEY = bytes.fromhex("b5a4cea271ff424d7c31dc12a3e43e401df7a40d7412a15750f3f0b6b5449a28")
"""The private key of OWNER."""

OWNER = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"
RECIPIENT = "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK"
OTHER = "TYJPRrdB5APNeRs4R7fYZSwW3TcrTKw2gx"
