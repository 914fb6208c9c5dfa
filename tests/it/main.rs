//! One test binary for the whole program, so that linking is paid once.
// These are helpers and tests of one binary; clippy only sees through `#[test]` functions themselves.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that meets an error has failed, and says why")]

mod crash;
mod fake_agent;
#[cfg(feature = "faults")]
mod flows;
mod generated;
mod interrupt;
mod layering;
mod malformed;
mod reading;
mod readme;
#[cfg(target_os = "linux")]
mod sandbox;
#[allow(dead_code, reason = "every module of tests uses a part of it")]
mod support;
mod support_tests;
