-- What operators leave for each other on a case: a payout, a refund, a review, an alert.

CREATE TABLE case_notes ( -- CaseNote
    id bigserial PRIMARY KEY,
    kind varchar(10) NOT NULL,
    subject varchar(20) NOT NULL,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    words text NOT NULL,
    written_at timestamptz NOT NULL,
    CONSTRAINT case_notes_kind_known CHECK (kind IN ('payout', 'refund', 'review', 'alert')),
    CONSTRAINT case_notes_words_sane CHECK (char_length(words) BETWEEN 1 AND 2000)
);
CREATE INDEX case_notes_of_case ON case_notes (kind, subject, id);

-- A note is kept as it was written.
CREATE TRIGGER case_notes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
