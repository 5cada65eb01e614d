//! The revocation log as one node applies it.
