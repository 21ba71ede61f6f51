"""The merchant cabinet: pages for a merchant's people.

A page is a module with `handlers(cabinet)`, named in routes.py and, if it is in the navigation, in nav.py. Each handler
names the permission that it needs (`opt=needs(Permission.…)`); the guard loads the member and checks it. A route that
names no permission is refused when the app is built. The services check again: the guard only avoids pages whose forms
would be refused.
"""
