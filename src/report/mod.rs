//! The proof packet.
