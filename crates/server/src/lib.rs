//! The symbolon binary: configuration, composition, command line.
