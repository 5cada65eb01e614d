//! The SQL stores: clients, users, keys, secrets, the revocation log and the embedded token store.
