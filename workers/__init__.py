"""Worker processes: what each queue runs. The jobs are a line or two; the work is in `app`."""
