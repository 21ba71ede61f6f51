-- What was typed into a form that was refused, or sent after its session had ended (accounts/kept_forms.py).
CREATE TABLE kept_forms ( -- KeptForm
    id bytea PRIMARY KEY,
    owner bytea NOT NULL,
    content_sealed text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX kept_forms_of_owner ON kept_forms (owner);
CREATE INDEX kept_forms_by_end ON kept_forms (expires_at);
