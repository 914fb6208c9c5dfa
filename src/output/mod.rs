//! The only door to standard output and standard error.
