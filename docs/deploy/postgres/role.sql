-- The role of all processes, made once when the database is. Its password comes from the environment.
\getenv app_password SWAP_PAY_APP_PASSWORD
CREATE ROLE swap_pay_app LOGIN PASSWORD :'app_password';
