// Makes one replica set of the three MongoDB servers of docker-compose.cluster.yaml, and lets the store
// processes in. For mongosh --nodb; running it again does no harm. A password on its command line would be
// visible in the process list, so this script connects itself.

const { readFileSync } = require('fs');
const secret = name => readFileSync(`/keys/mongo/${name}`, 'utf8');
const administrator = `root:${secret('root-password')}`;
const members = ['mongo1', 'mongo2', 'mongo3'];

// The first one makes the administrator before it listens to others; the others copy it.
let first = null;
for (let tries = 60; first === null; tries--) {
  try {
    first = connect(`mongodb://${administrator}@${members[0]}/admin?directConnection=true`);
  } catch (e) {
    if (tries === 0) throw e;
    print(`${members[0]} is not there yet: ${e.message}`);
    sleep(1000);
  }
}

try {
  first.adminCommand({ replSetGetStatus: 1 });
} catch (e) {
  if (e.codeName !== 'NotYetInitialized') throw e;
  const hosts = members.map((name, _id) => ({ _id, host: `${name}:27017` }));
  first.adminCommand({ replSetInitiate: { _id: 'letterbox', members: hosts } });
  print('the replica set is initiated');
}

// Finds the primary, and waits for its election.
const set = connect(`mongodb://${administrator}@${members.join()}/admin?replicaSet=letterbox`);
const letterbox = set.getSiblingDB('letterbox');
if (letterbox.getUser('letterbox') === null) {
  const roles = [{ role: 'readWrite', db: 'letterbox' }];
  letterbox.createUser({ user: 'letterbox', pwd: secret('letterbox-password'), roles });
  print('the store processes may log in');
}

// By which `letterbox messages` lists, oldest first.
letterbox.messages.createIndex({ date: 1, _id: 1 });
