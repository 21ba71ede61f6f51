"""Worker processes: a module for each queue says what runs there. A job is a few lines; the work is in `app`."""
