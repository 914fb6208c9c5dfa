//! Putting right what a dead process left.
