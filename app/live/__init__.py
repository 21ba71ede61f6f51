"""Open pages that follow the domain: what happened names topics, and pages that show a topic read themselves again."""
