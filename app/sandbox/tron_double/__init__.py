"""A server with the HTTP API of Tron's nodes, over a chain of its own. For the sandbox and the tests alone.

No node of Tron can be had on a developer's machine, so this one takes its place. It is a model, not java-tron:
contracts run in anvil, an EVM (`evm.py`), and what only Tron has is modelled here: accounts that must be activated,
bandwidth, staked and lent energy, prices, the rules of expiration and of the reference block, solidity 18 blocks
behind. What it answers follows java-tron's source and public documentation field by field; what differs is in the
docstring of the module that it concerns. It can be told to lag, to lie and to lose transactions (`control.py`).
"""
