-- What an operator tells the merchant about a decision. The reason beside it is for operators and the audit log alone.

ALTER TABLE reviews
    ADD COLUMN message text,
    ADD CONSTRAINT reviews_message_decided CHECK
        (message IS NULL OR (status <> 'open' AND length(message) BETWEEN 1 AND 500));
