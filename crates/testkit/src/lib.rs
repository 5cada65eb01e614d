//! Fakes, a fake clock and the store contract suite; for tests only.
