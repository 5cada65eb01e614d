//! End-to-end tests: the real binary and the real router over HTTP, with OAuth clients nobody here wrote.
