-- Browsers that accounts have signed in from, links in emails about sign-ins, and who has answered the offer of a passkey.

-- A browser in which an account has signed in, once for each network that it has done so from. It gives no right: no
-- email is written about another sign-in from there (accounts/known_browsers.py).
CREATE TABLE known_browsers ( -- KnownBrowser
    id bigserial PRIMARY KEY,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    token_hash bytea NOT NULL,
    network varchar(50) NOT NULL,
    address varchar(45) NOT NULL,
    user_agent varchar(200) NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    CONSTRAINT known_browsers_once UNIQUE (account, token_hash, network)
);
CREATE INDEX known_browsers_by_use ON known_browsers (last_seen_at);

ALTER TABLE accounts ADD COLUMN passkey_offer_answered_at timestamptz;

ALTER TABLE mailed_links
    DROP CONSTRAINT mailed_links_purpose_known,
    ADD CONSTRAINT mailed_links_purpose_listed
        CHECK ("purpose" IN ('sign_up', 'password_reset', 'email_change', 'not_me'));
