//! The schema, as forward steps.
