#!/bin/sh
# Makes the secrets of docker-compose.cluster.yaml: once, at random, each readable by the one user that needs
# it. Nothing starts before this is done, so an unfinished run is simply repeated.
#
#   /keys/mongo     keyfile               by which the members of the replica set know each other
#                   root-password         of MongoDB's administrator
#                   letterbox-password    of the user that the store processes log in as
#   /keys/store     mongodb-uri           the same password, where LETTERBOX_MONGODB_URI_FILE finds it
set -eu
umask 077
if [ -e /keys/mongo/complete ]; then exit 0; fi
rm -f /keys/mongo/* /keys/store/*

# Hex digits need no escape in a connection string, and are legal in a keyfile.
random() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

random 256 >/keys/mongo/keyfile
random 24 >/keys/mongo/root-password
random 24 >/keys/mongo/letterbox-password
printf 'mongodb://letterbox:%s@mongo1,mongo2,mongo3/?replicaSet=letterbox&authSource=letterbox\n' \
  "$(cat /keys/mongo/letterbox-password)" >/keys/store/mongodb-uri

# mongod accepts a keyfile only if it owns it and no other user may read it.
chmod 400 /keys/mongo/* /keys/store/*
chown 999:999 /keys/mongo/*
chown 1654:1654 /keys/store/*
touch /keys/mongo/complete
