"""The merchant cabinet: pages for a merchant's people.

A page is a module with `handlers(cabinet)`, named in routes.py and, if it is one to go to, in nav.py. Each handler says
what it needs (`opt=needs(Permission.…)`); the guard looks the member up and asks, and a route that says nothing is
refused while the app is put together. The services ask again: the guard spares a page that would end in a refusal.
"""
