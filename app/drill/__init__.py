"""A drill: a backup is restored in another place, checked and compared with the chains, before anything is signed."""
