//! One test binary for the whole program, so that linking is paid once.
// These are helpers and tests of one binary; clippy only sees through `#[test]` functions themselves.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that meets an error has failed, and says why")]

#[cfg(feature = "faults")]
mod acp;
mod amend;
mod checks;
mod ci;
mod crash;
mod fake_agent;
#[cfg(feature = "faults")]
mod flows;
mod generated;
mod hooks;
#[cfg(target_os = "linux")]
mod hostile;
mod http_agents;
mod import;
mod interrupt;
mod layering;
mod lease;
mod malformed;
mod manners;
mod model_tests;
mod packet;
mod projects;
mod reading;
mod readme;
mod recordings;
mod recover;
#[cfg(target_os = "linux")]
mod sandbox;
mod sessions;
mod setup;
#[allow(dead_code, reason = "every module of tests uses a part of it")]
mod support;
mod support_tests;
#[cfg(feature = "faults")]
mod sync;
#[cfg(target_os = "linux")]
mod theirs;
mod tutorial;
mod verify;
