"""Worker processes: a module for each queue defines what runs there. A job is a few lines; the work is in `app`."""
