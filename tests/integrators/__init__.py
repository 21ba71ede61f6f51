"""What a merchant's developers use, against one running sandbox: clients, example shops, tools of the command line."""
