#!/bin/sh
# Make fresh secrets in a folder, readable by root alone. Run it once for a deployment:
#
#   sh docs/deploy/secrets.sh /etc/swap-pay [HOST OF POSTGRES] [HOST OF VALKEY]
#
# secrets.env    for every process: the database as the app's role, Valkey, and the gateway's own secrets
# owner.env      for migrations: the database as the owner of its tables
# postgres.env, valkey.env    for the two servers of compose.yaml
#
# REDIS_URL names one server; docs/redis.md has the form that names sentinels. It overwrites nothing. Keep a copy of
# secrets.env apart from the database's backups (docs/operations.md).
set -eu
folder=${1:?"which folder to write to"}
postgres=${2:-postgres}
valkey=${3:-valkey}
umask 077
for name in secrets owner postgres valkey; do
    if [ -e "$folder/$name.env" ]; then
        echo "$folder/$name.env is there already, and is not overwritten" >&2
        exit 1
    fi
done

random() { head -c 32 /dev/urandom | base64; }
word() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }  # for URLs
app_password=$(word)
owner_password=$(word)
valkey_password=$(word)

cat > "$folder/secrets.env" <<END
DATABASE_URL=postgresql://swap_pay_app:$app_password@$postgres/swap_pay
DATABASE_READ_URL=
REDIS_URL=redis://:$valkey_password@$valkey:6379/0
API_KEY_PEPPERS=1:$(random)
DATA_KEYS=k1:$(random)
LINK_SECRET=$(random)
EMAIL_HASH_SECRET=$(random)
CHECKPOINT_KEY=c1:$(random)
METRICS_TOKEN=$(word)
MAIL_URL=
ETH_NODE_KEY=
ETH_XPUB=
END
cat > "$folder/owner.env" <<END
DATABASE_URL=postgresql://swap_pay_owner:$owner_password@$postgres/swap_pay
END
cat > "$folder/postgres.env" <<END
POSTGRES_DB=swap_pay
POSTGRES_USER=swap_pay_owner
POSTGRES_PASSWORD=$owner_password
SWAP_PAY_APP_PASSWORD=$app_password
END
cat > "$folder/valkey.env" <<END
VALKEY_PASSWORD=$valkey_password
END
echo "Written to $folder: secrets.env, owner.env, postgres.env, valkey.env."
echo "Fill in MAIL_URL, and what networks.toml takes from the environment."
