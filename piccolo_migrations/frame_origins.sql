-- Whose pages may frame a merchant's checkout pages.

ALTER TABLE merchants
    ADD COLUMN frame_origins varchar(270)[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT merchants_frame_origins_sane
        CHECK (cardinality(frame_origins) <= 10 AND array_to_string(frame_origins, ' ') !~ '[^a-z0-9:/. -]');
